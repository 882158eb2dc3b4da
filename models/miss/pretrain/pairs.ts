/** Batches of images and captions, made ready ahead of the steps by the threads of all trainings of MISS. */
import type { Augmentation } from "../../data/augment/augmentation.js";
import { batches, type Cursor } from "../../data/order.js";
import { Sampler } from "../../data/sampler.js";
import { readAhead } from "../../training/loading/read-ahead.js";
import type { BatchThreads } from "../batch-threads.js";
import type { BatchRow, HostBatch } from "../host-batch.js";
import { asRecord, type CaptionRow, captionsOf } from "./captions.js";

/** A batch on the host, and where to go on after it. */
export interface Pairs {
  /** Captions are its questions; it has no answers. */
  readonly host: HostBatch;
  readonly next: Cursor;
}

export interface PairsOptions {
  readonly batch: number;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly augment: readonly Augmentation[];
}

/** The pairs of a run, epoch after epoch. */
export class PairLoader {
  readonly #rows: readonly CaptionRow[];
  readonly #options: PairsOptions;
  readonly #sampler: Sampler;
  readonly #threads: BatchThreads;

  constructor(rows: readonly CaptionRow[], options: PairsOptions, threads: BatchThreads) {
    this.#rows = rows;
    this.#options = options;
    this.#sampler = new Sampler(options.seed, options.augment);
    this.#threads = threads;
  }

  /** Steps of an epoch: full batches only, as the queues need them. */
  get perEpoch(): number {
    return Math.floor(this.#rows.length / this.#options.batch);
  }

  /** The batches from `from` to the end of its epoch; `ahead` of them are read while one is worked on. */
  from(from: Cursor, ahead: number = 1 + this.#threads.count): AsyncGenerator<Pairs> {
    const { seed, batch: batchSize, shuffle } = this.#options;
    const n = this.#rows.length;
    const inOrder = () => Uint32Array.from({ length: n }, (_, i) => i);
    const captions = captionsOf(this.#rows, seed, from.epoch);
    const plan = batches({ seed, n, batchSize, dropLast: true, ...(!shuffle && { rowsOf: inOrder }) }, from);
    const rowOf = (row: number): BatchRow => {
      const pair = { ...asRecord(this.#rows[row]), question: captions[row] };
      const { image, question, answer, sample } = this.#sampler.record(pair, { epoch: from.epoch, row });
      return { image, question, answer, sample };
    };
    const read = async ({ rows, next }: { rows: Uint32Array; next: Cursor }): Promise<Pairs> => ({
      host: await this.#threads.run(Array.from(rows, rowOf)),
      next,
    });
    return readAhead(plan, read, ahead);
  }
}
