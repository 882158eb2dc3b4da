import { io, OptionError } from "../../engine/index.js";
import { type ImageIdentity, imageIdentity } from "../data/digest.js";
import { withImages } from "../data/image-control.js";
import { findLeak, type Leak, leakedRows } from "../data/leak.js";
import type { Splits, VqaRecord } from "../data/record.js";
import type { LoadOptions } from "../data/rows.js";
import { loadSlake } from "../data/slake.js";
import { splitByImage, splitByUnit, splitInThree, type ThreeParts } from "../data/split.js";
import { loadTable, sameTable, type TableRow } from "../data/table.js";
import { loadOrgan, loadOrganSmoke, loadVqaRad, loadVqaRadSmoke } from "../data/vqa-rad.js";
import type { FolderData, RunConfig, TableData } from "./run-config.js";

/** The questions of a run. */
export interface DataSplits {
  /** For steps. */
  readonly train: VqaRecord[];
  /** Questions that choose the checkpoint, about images (groups) that are in no training row; may be empty. */
  readonly validation: VqaRecord[];
  /** Never seen in training. */
  readonly test: VqaRecord[];
  /** What validation and test share with training; null where that is nothing. */
  readonly leak: Leak | null;
  /** The data as a run records it: of a table with the hash of its file. */
  readonly data: RunConfig["data"];
}

/**
 * The questions of a run. Validation images are taken out of the training rows, never out of the test. A table whose
 * parts overlap is refused, unless `allowLeak` is set; published splits are taken as they are, and their leak is said.
 */
export async function loadSplits(run: RunConfig, signal?: AbortSignal): Promise<DataSplits> {
  const { data, images, seed } = run;
  const { parts, identity, recorded } =
    data.set === "table" ? await tableParts(data, run, signal) : await folderParts(data, run, signal);
  const leak = findLeak(parts, identity);
  if (leak && data.set === "table" && !data.allowLeak) refuseLeak(leak, data.file);
  const seen = (records: readonly VqaRecord[]) => withImages(records, images, seed);
  const { train, validation, test } = parts;
  return { train: seen(train), validation: seen(validation), test: seen(test), leak, data: recorded };
}

interface Loaded {
  readonly parts: ThreeParts;
  readonly identity: ImageIdentity;
  readonly recorded: RunConfig["data"];
}

async function folderParts(data: FolderData, { validation, seed }: RunConfig, signal?: AbortSignal): Promise<Loaded> {
  const { train, test } = await loaders[data.set](data.folder);
  for (const [part, { length }] of Object.entries({ training: train, test }))
    if (length === 0)
      throw new io.FileFormatError(data.folder, `"${data.set}" has no ${part} question`, "Take a whole data set");
  const identity = await imageIdentity(
    [...train, ...test].map(({ image }) => image),
    signal,
  );
  const held = validation === 0 ? { train, test: [] } : splitByImage(train, seed, validation);
  return { parts: { train: held.train, validation: held.test, test }, identity, recorded: data };
}

async function tableParts(data: TableData, { validation, seed }: RunConfig, signal?: AbortSignal): Promise<Loaded> {
  const { file, columns, images: imageFolder } = data;
  const { rows, sha256 } = await loadTable(file, { columns, imageFolder });
  sameTable(file, sha256, data.sha256);
  const identity = await imageIdentity(
    rows.map(({ image }) => image),
    signal,
  );
  const parts = partsOf(rows, data, seed, identity);
  for (const part of ["train", "test"] as const)
    if (parts[part].length === 0)
      throw new io.FileFormatError(file, `no row is in the part "${part}"`, "Fill the column split, or leave it out");
  const recorded = { ...data, sha256 };
  if (validation === 0) return { parts, identity, recorded };
  if (parts.validation.length > 0)
    throw new OptionError(
      `validation is ${validation}, but ${file} has ${parts.validation.length} validation rows of its own. Leave it out.`,
    );
  const held = splitByUnit(parts.train, seed, validation, identity);
  return { parts: { ...parts, train: held.train, validation: held.test }, identity, recorded };
}

/** Percent of the groups. */
const DEFAULT_SHARES = [80, 10, 10] as const;

function partsOf(rows: readonly TableRow[], data: TableData, seed: number, identity: ImageIdentity): ThreeParts {
  const { file, split } = data;
  if (!rows.some(({ part }) => part)) return splitInThree(rows, seed, split ?? DEFAULT_SHARES, identity);
  if (split) throw new OptionError(`${file} has a column that says the split. Leave out the shares ${split}.`);
  const of = (wanted: TableRow["part"]) => rows.filter(({ part }) => part === wanted);
  return { train: of("train"), validation: of("validation"), test: of("test") };
}

/** Throws with the first rows named. */
export function refuseLeak(leak: Leak, file: string): never {
  const shown = leakedRows(leak);
  const more = leak.rows.length - shown.length;
  const list = [...shown, ...(more > 0 ? [`and ${more} more`] : [])].map((line) => `\n  - ${line}`).join("");
  throw new io.FileFormatError(
    file,
    `${leak.rows.length} evaluation rows overlap with training`,
    `Change the parts so that no group and no image is in two of them, or allow it (--allow-leak): every report will say so. Rows:${list}`,
  );
}

const slakeFile = (folder: string, name: string, options?: LoadOptions) =>
  loadSlake(`${folder}/${name}.json`, `${folder}/imgs`, { ...options, language: "en" });

/** The published data sets, by name. */
export const loaders = {
  organ: loadOrgan,
  "vqa-rad": loadVqaRad,
  "organ-smoke": loadOrganSmoke,
  "vqa-rad-smoke": loadVqaRadSmoke,
  slake: async (folder: string, options?: LoadOptions) => ({
    train: await slakeFile(folder, "train", options),
    test: await slakeFile(folder, "test", options),
  }),
} satisfies Record<FolderData["set"], (folder: string, options?: LoadOptions) => Promise<Splits>>;

/** Every answer of some rows once, in order of first use: the closed list that ranking chooses from. */
export const answersOf = (records: readonly VqaRecord[]): string[] => [
  ...new Set(records.map((r) => r.answer.trim().toLowerCase())),
];
