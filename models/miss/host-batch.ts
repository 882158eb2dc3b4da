/** A training batch as numbers, before it goes to the device: what threads make ready. */
import type { Augmentation } from "../data/augment/augmentation.js";
import { ImageStore } from "../data/image-store.js";
import type { VqaRecord } from "../data/record.js";
import { Sampler } from "../data/sampler.js";
import { type ScalingName, scalings } from "./model-folder.js";
import { shiftTargets } from "./targets.js";
import { MissTokenizer, type TokenBatch } from "./tokenizer.js";

/** How questions become numbers: plain data. */
export interface BatchForm {
  readonly pieces: readonly string[];
  readonly scaling: ScalingName;
  /** Of what changes rows. */
  readonly seed: number;
  readonly augmentations: readonly Augmentation[];
  /** Ids of a question at most; as published where absent. */
  readonly questionLength?: number;
  /** Side of the images. */
  readonly size: number;
  /** Bytes of decoded images that are kept. */
  readonly keptBytes: number;
}

export interface HostBatch {
  readonly size: number;
  /** [B, 3, size, size] */
  readonly pixels: Float32Array<ArrayBuffer>;
  readonly questions: TokenBatch;
  readonly answers: TokenBatch;
  /** [B, La - 1] */
  readonly targets: Int32Array;
}

export type BatchRow = Pick<VqaRecord, "image" | "question" | "answer" | "sample">;

/** A function that makes batches of rows; it keeps the images that it decoded. Errors name the file. */
export function batchMaker({ pieces, scaling, seed, augmentations, questionLength, size, keptBytes }: BatchForm) {
  const tokenizer = new MissTokenizer(pieces);
  const sampler = new Sampler(seed, augmentations);
  const emptyStore = () => new ImageStore(size, scalings[scaling], sampler);
  // Images that are changed are needed whole: of any size, so none is kept.
  const most = sampler.changesImages ? 0 : Math.floor(keptBytes / (3 * size * size));
  let images = emptyStore();
  let kept = new Set<string>();
  return async (rows: readonly BatchRow[]): Promise<HostBatch> => {
    const paths = rows.map(({ image }) => image);
    // In a shuffled order none is needed again sooner than another.
    if (new Set([...kept, ...paths]).size > most) {
      images = emptyStore();
      kept = new Set();
    }
    // Its own one, should another batch begin anew meanwhile.
    const store = images;
    for (const path of paths) kept.add(path);
    await store.load(paths);
    const asked = rows.map(({ question }) => question);
    const questions = tokenizer.encodeQuestions(asked, questionLength);
    const answers = tokenizer.encodeAnswers(rows.map(({ answer }) => answer.trim()));
    const targets = shiftTargets(answers.ids, rows.length, answers.T, tokenizer.pad);
    return {
      size,
      pixels: store.batch(
        paths,
        rows.map(({ sample }) => sample),
      ) as Float32Array<ArrayBuffer>,
      questions,
      answers,
      targets,
    };
  };
}
