/** The rows of a run in their parts, from a table of one's own or a published data set. */
import { io, OptionError } from "../../engine/index.js";
import { type ImageIdentity, imageIdentity, picturesDigest } from "../data/digest.js";
import type { Splits } from "../data/record.js";
import type { LoadOptions } from "../data/rows.js";
import { loadSlake } from "../data/slake.js";
import { splitByImage, splitByUnit, splitInThree, type ThreeParts } from "../data/split.js";
import { loadTable, type TableRow } from "../data/table.js";
import { samePictures, sameTable } from "../data/unchanged.js";
import { loadOrgan, loadOrganSmoke, loadVqaRad, loadVqaRadSmoke } from "../data/vqa-rad.js";
import type { FolderData, RunConfig, TableData } from "./run-config.js";

export interface RunParts {
  readonly parts: ThreeParts;
  /** Of the images of all parts. */
  readonly identity: ImageIdentity;
  /** The data as a run records it: of a table with the hashes of its file and of what its images show. */
  readonly data: RunConfig["data"];
}

/**
 * Validation images are taken out of the training rows, never out of the test. Throws FileFormatError where a table or its
 * images are not those that the run recorded.
 */
export const loadParts = (run: RunConfig, signal?: AbortSignal): Promise<RunParts> =>
  run.data.set === "table" ? tableParts(run.data, run, signal) : folderParts(run.data, run, signal);

async function folderParts(data: FolderData, { validation, seed }: RunConfig, signal?: AbortSignal): Promise<RunParts> {
  const { train, test } = await loaders[data.set](data.folder);
  for (const [part, { length }] of Object.entries({ training: train, test }))
    if (length === 0)
      throw new io.FileFormatError(data.folder, `"${data.set}" has no ${part} question`, "Take a whole data set");
  const images = [...train, ...test].map(({ image }) => image);
  const identity = await imageIdentity(images, signal);
  const held = validation === 0 ? { train, test: [] } : splitByImage(train, seed, validation);
  return { parts: { train: held.train, validation: held.test, test }, identity, data };
}

async function tableParts(data: TableData, { validation, seed }: RunConfig, signal?: AbortSignal): Promise<RunParts> {
  const { file, columns, images: imageFolder, form, referenceBugs } = data;
  const { rows, sha256 } = await loadTable(file, { columns, imageFolder, form, referenceBugs });
  sameTable(file, sha256, data.sha256);
  const test = data.test ? await testRows(data, data.test) : null;
  const images = [...rows, ...(test?.rows ?? [])].map(({ image }) => image);
  const identity = await imageIdentity(images, signal);
  const pictures = await picturesDigest(images, identity);
  samePictures(file, pictures, data.pictures);
  const parts = test ? apart(rows, test.rows, data) : partsOf(rows, data, seed, identity);
  for (const part of ["train", "test"] as const)
    if (parts[part].length === 0)
      throw new io.FileFormatError(file, `no row is in the part "${part}"`, "Fill the column split, or leave it out");
  const recorded = { ...data, sha256, pictures, ...(test && { test: test.data }) };
  if (validation === 0) return { parts, identity, data: recorded };
  if (parts.validation.length > 0)
    throw new OptionError(
      `validation is ${validation}, but ${file} has ${parts.validation.length} validation rows of its own. Leave it out.`,
    );
  const held = splitByUnit(parts.train, seed, validation, identity);
  return { parts: { ...parts, train: held.train, validation: held.test }, identity, data: recorded };
}

/** The rows of another file that are measured with. */
async function testRows({ columns, images }: TableData, test: NonNullable<TableData["test"]>) {
  const { form, images: imageFolder = images } = test;
  const { rows, sha256 } = await loadTable(test.file, { columns: form ? {} : columns, imageFolder, form });
  sameTable(test.file, sha256, test.sha256);
  return { rows, data: { ...test, sha256 } };
}

/** Training rows of one file, test rows of another. */
function apart(train: readonly TableRow[], test: readonly TableRow[], { file, split }: TableData): ThreeParts {
  if (split) throw new OptionError(`The test has a file of its own. Leave out the shares ${split}.`);
  if (train.some(({ part }) => part))
    throw new OptionError(`${file} says the split itself. Leave out the file of the test.`);
  return { train: [...train], validation: [], test: [...test] };
}

/** Percent of the groups. */
export const DEFAULT_SHARES = [80, 10, 10] as const;

function partsOf(rows: readonly TableRow[], data: TableData, seed: number, identity: ImageIdentity): ThreeParts {
  const { file, split } = data;
  if (!rows.some(({ part }) => part)) return splitInThree(rows, seed, split ?? DEFAULT_SHARES, identity);
  if (split) throw new OptionError(`${file} has a column that says the split. Leave out the shares ${split}.`);
  const of = (wanted: TableRow["part"]) => rows.filter(({ part }) => part === wanted);
  return { train: of("train"), validation: of("validation"), test: of("test") };
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
