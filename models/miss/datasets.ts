import { io } from "../../engine/index.js";
import { withImages } from "../data/image-control.js";
import type { VqaRecord } from "../data/record.js";
import { loadSlake } from "../data/slake.js";
import { splitByImage } from "../data/split.js";
import { loadOrgan, loadOrganSmoke, loadVqaRad, loadVqaRadSmoke } from "../data/vqa-rad.js";
import type { RunConfig } from "./run-config.js";

/** The questions of a run. */
export interface DataSplits {
  /** For steps. */
  readonly train: VqaRecord[];
  /** Questions about images that are in no training row; empty where none were held back. */
  readonly validation: VqaRecord[];
  /** Never seen in training. */
  readonly test: VqaRecord[];
}

/** The questions of a run. Validation images are taken out of the training rows, never out of the test. */
export async function loadSplits({ data, images, validation, seed }: RunConfig): Promise<DataSplits> {
  const { train, test } = await loaders[data.set](data.folder);
  for (const [part, { length }] of Object.entries({ training: train, test }))
    if (length === 0)
      throw new io.FileFormatError(data.folder, `"${data.set}" has no ${part} question`, "Take a whole data set");
  const parts = validation === 0 ? { train, test: [] } : splitByImage(train, seed, validation);
  const seen = (records: readonly VqaRecord[]) => withImages(records, images, seed);
  return { train: seen(parts.train), validation: seen(parts.test), test: seen(test) };
}

const loaders = {
  organ: loadOrgan,
  "vqa-rad": loadVqaRad,
  "organ-smoke": loadOrganSmoke,
  "vqa-rad-smoke": loadVqaRadSmoke,
  slake: async (folder: string) => ({
    train: await loadSlake(`${folder}/train.json`, `${folder}/imgs`, { language: "en" }),
    test: await loadSlake(`${folder}/test.json`, `${folder}/imgs`, { language: "en" }),
  }),
} satisfies Record<RunConfig["data"]["set"], (folder: string) => Promise<{ train: VqaRecord[]; test: VqaRecord[] }>>;

/** Every answer of some rows once, in order of first use: the closed list that ranking chooses from. */
export const answersOf = (records: readonly VqaRecord[]): string[] => [
  ...new Set(records.map((r) => r.answer.trim().toLowerCase())),
];
