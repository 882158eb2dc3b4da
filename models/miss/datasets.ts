import { io } from "../../engine/index.js";
import type { Augmentation } from "../data/augment/augmentation.js";
import { imageIdentity } from "../data/digest.js";
import { withImages } from "../data/image-control.js";
import { beyondSplit, findLeak, type Leak, leakedRows, sameNames } from "../data/leak.js";
import { formAugmentations } from "../data/published.js";
import { askedOf, type VqaRecord } from "../data/record.js";
import { learnedIn } from "./learned.js";
import { loadParts } from "./parts.js";
import { type Past, pastOf } from "./past.js";
import type { RunConfig } from "./run-config.js";

/** The questions of a run. */
export interface DataSplits {
  /** For steps. */
  readonly train: VqaRecord[];
  /** Questions that choose the checkpoint, about images (groups) that are in no training row; may be empty. */
  readonly validation: VqaRecord[];
  /** Never seen in training. */
  readonly test: VqaRecord[];
  /** What validation and test share with training, and with that of the run's start; null where that is nothing. */
  readonly leak: Leak | null;
  /** Why it is not known what the run's start was trained on; null where all was compared. */
  readonly unchecked: string | null;
  /** What else to know before the numbers of this run, a sentence each. */
  readonly notices: readonly string[];
  /** The data as a run records it: of a table with the hashes of its file and of which rows show the same picture. */
  readonly data: RunConfig["data"];
}

/**
 * The questions of a run. Validation images are taken out of the training rows, never out of the test. Unless `allowLeak`
 * is set, a table is refused whose parts overlap, or whose validation and test the run's start has learned, and so is a
 * published split of which the start, or what that started from, has learned more than the split shares in itself, which is said.
 */
export const loadSplits = async (run: RunConfig, signal?: AbortSignal): Promise<DataSplits> =>
  loadSplitsAfter(run, await pastOf(run.init), signal);

/** The same where more made the model before the run than its start. */
export async function loadSplitsAfter(run: RunConfig, past: Past, signal?: AbortSignal): Promise<DataSplits> {
  const { images, seed } = run;
  const { parts, identity, data } = await loadParts(run, signal);
  const before = await learnedIn(past, data, signal);
  const { train, validation, test } = parts;
  const all = [...train, ...validation, ...test, ...before.rows.flatMap(({ records }) => records)];
  const compared =
    before.rows.length === 0
      ? identity
      : await imageIdentity(
          all.map(({ image }) => image),
          signal,
        );
  const leak = findLeak(parts, compared, before.rows);
  refuseUnlessAllowed(leak, findLeak(parts, compared), data);
  const names = sameNames([...validation, ...test], before.rows, leak);
  const seen = (records: readonly VqaRecord[]) => withImages(records, images, seed);
  return {
    ...{ train: seen(train), validation: seen(validation), test: seen(test) },
    ...{ leak, unchecked: before.unknown, notices: names ? [names] : [], data },
  };
}

/**
 * Throws, with the first rows named, where data share what their leave (`allowLeak`) is needed for: anything for a table; for a published
 * split, which is taken as it is, what it does not share in itself (`split`).
 */
export function refuseUnlessAllowed(leak: Leak | null, split: Leak | null, data: RunConfig["data"]): void {
  if (!leak || data.allowLeak) return;
  const rows = data.set === "table" ? leak.rows : beyondSplit(leak, split);
  if (rows.length === 0) return;
  const shown = leakedRows({ ...leak, rows });
  const more = rows.length - shown.length;
  const list = [...shown, ...(more > 0 ? [`and ${more} more`] : [])].map((line) => `\n  - ${line}`).join("");
  const advice =
    data.set === "table"
      ? "Change the parts so that no group and no image is in two of them"
      : "Take a model, or a start, that has not learned from them";
  throw new io.FileFormatError(
    data.set === "table" ? data.file : data.folder,
    `${rows.length} evaluation rows overlap with training`,
    `${advice}, or allow it (--allow-leak): every report will say so. Rows:${list}`,
  );
}

/** Every answer of some rows once, in order of first use: the closed list that ranking chooses from. */
export const answersOf = (records: readonly VqaRecord[]): string[] => [
  ...new Set(records.flatMap((record) => askedOf(record).map(({ answer }) => answer.trim().toLowerCase()))),
];

/** What a run changes about its training rows: as the published reader of their form does, then as it is told. */
export const augmentationsOf = ({ data, augment }: RunConfig): Augmentation[] => [
  ...(data.set === "table" && data.form ? formAugmentations(data.form, data.referenceBugs) : []),
  ...augment,
];
