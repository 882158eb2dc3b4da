/** Batches of images and captions, read ahead of the steps. */

import { ImageStore } from "../../data/image-store.js";
import { batches, type Cursor } from "../../data/order.js";
import type { Scaling } from "../../images/scaling.js";
import { type CaptionRow, captionsOf } from "./captions.js";

/** Images that are kept once they were read take so many bytes at most; larger data sets are read again in each epoch. */
const KEPT_BYTES = 2 ** 30;

/** A batch on the host, and where to go on after it. */
export interface Pairs {
  /** f32 [B, 3, S, S], scaled. */
  readonly pixels: Float32Array;
  readonly captions: readonly string[];
  readonly next: Cursor;
}

export interface PairsOptions {
  readonly batch: number;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly imageSize: number;
  readonly scaling: Scaling;
}

/** The pairs of a run, epoch after epoch. */
export class PairLoader {
  readonly #rows: readonly CaptionRow[];
  readonly #options: PairsOptions;
  readonly #kept: ImageStore | null;

  constructor(rows: readonly CaptionRow[], options: PairsOptions) {
    const { imageSize, scaling } = options;
    this.#rows = rows;
    this.#options = options;
    const images = new Set(rows.map(({ image }) => image)).size;
    this.#kept = images * 3 * imageSize ** 2 <= KEPT_BYTES ? new ImageStore(imageSize, scaling) : null;
  }

  /** Steps of an epoch: full batches only, as the queues need them. */
  get perEpoch(): number {
    return Math.floor(this.#rows.length / this.#options.batch);
  }

  /** The batches from `from` to the end of its epoch; the next is read while one is worked on. */
  async *from(from: Cursor): AsyncGenerator<Pairs> {
    const { seed, batch: batchSize, shuffle } = this.#options;
    const n = this.#rows.length;
    const inOrder = () => Uint32Array.from({ length: n }, (_, i) => i);
    const captions = captionsOf(this.#rows, seed, from.epoch);
    const all = batches({ seed, n, batchSize, dropLast: true, ...(!shuffle && { rowsOf: inOrder }) }, from);
    let ahead: Promise<Pairs> | null = null;
    for (const { rows, next } of all) {
      const reading = this.#read(rows, captions, next);
      // Awaited in the next round: an error must not go unheard before.
      reading.catch(() => {});
      if (ahead) yield await ahead;
      ahead = reading;
    }
    if (ahead) yield await ahead;
  }

  async #read(rows: Uint32Array, captions: readonly string[], next: Cursor): Promise<Pairs> {
    const { imageSize, scaling } = this.#options;
    const images = Array.from(rows, (row) => this.#rows[row].image);
    const store = this.#kept ?? new ImageStore(imageSize, scaling);
    await store.load(images);
    return { pixels: store.batch(images), captions: Array.from(rows, (row) => captions[row]), next };
  }
}
