import type { RgbImage } from "../images/resize.js";
import { shuffle } from "./order.js";
import { randomStream } from "./random.js";
import type { VqaRecord } from "./record.js";

/**
 * Which images a model sees. `blank`: one grey square for every question, so that only the question can help.
 * `shuffled`: images of other questions, each as often as before. Both are controls.
 */
export type ImageControl = "real" | "blank" | "shuffled";

/** The name of the grey square in an ImageStore, and its pixel. */
export const BLANK = "(blank)";
export const blankImage: RgbImage = { width: 1, height: 1, rgb: new Uint8Array(3).fill(128) };

/** The records with their images replaced. Same seed, same permutation. */
export function withImages(records: readonly VqaRecord[], control: ImageControl, seed: number): VqaRecord[] {
  if (control === "real") return [...records];
  if (control === "blank") return records.map((record) => ({ ...record, image: BLANK }));
  const from = shuffle(records.length, randomStream(seed, "control"));
  return records.map((record, i) => ({ ...record, image: records[from[i]].image }));
}
