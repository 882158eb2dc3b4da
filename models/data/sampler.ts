/** What training sees of a row: the question that is drawn for it, and what the augmentations make of question and image. */
import type { RgbImage } from "../images/resize.js";
import { type Augmentation, augmentImage, augmentText, changesImages } from "./augment/augmentation.js";
import { rowStream } from "./random.js";
import type { Asked, RowSample, VqaRecord } from "./record.js";

/** Decided by seed, epoch and row alone: rows may be drawn in any order, again, and in other threads. */
export class Sampler {
  /** Whether images are changed: they are then needed as they are in their files. */
  readonly changesImages: boolean;
  readonly #seed: number;
  readonly #augmentations: readonly Augmentation[];

  constructor(seed: number, augmentations: readonly Augmentation[] = []) {
    this.#seed = seed;
    this.#augmentations = augmentations;
    this.changesImages = changesImages(augmentations);
  }

  /** A training row with the question of this time. */
  record(record: VqaRecord, sample: RowSample): VqaRecord {
    const { epoch, row } = sample;
    const { question, answer } = record.pool ? this.#drawn(record.pool, sample) : record;
    const words = rowStream(this.#seed, "text", epoch, row);
    return { ...record, question: augmentText(question, this.#augmentations, words), answer, sample };
  }

  /** Its image; `size` is that of the model's images. */
  image(image: RgbImage, size: number, { epoch, row }: RowSample): RgbImage {
    if (!this.changesImages) return image;
    return augmentImage(image, this.#augmentations, size, rowStream(this.#seed, "pixels", epoch, row));
  }

  #drawn(pool: NonNullable<VqaRecord["pool"]>, { epoch, row }: RowSample): Asked {
    const random = rowStream(this.#seed, "pool", epoch, row);
    const list = pool[random.below(pool.length)];
    return list[random.below(list.length)];
  }
}
