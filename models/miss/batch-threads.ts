import type { Augmentation } from "../data/augment/augmentation.js";
import { DataThreads } from "../training/loading/threads.js";
import { start } from "./batch-thread.js";
import { augmentationsOf } from "./datasets.js";
import type { BatchForm, BatchRow, HostBatch } from "./host-batch.js";
import type { ModelFolder } from "./model-folder.js";
import type { RunConfig } from "./run-config.js";

/** Bytes of decoded images that a training keeps, all threads together: 90,000 of 64 pixels, 1,500 of 480. */
const KEPT_BYTES = 2 ** 30;

export type BatchThreads = DataThreads<BatchForm, readonly BatchRow[], HostBatch>;

/** Threads that make a run's batches of its rows; with a `count` of 0 the caller's thread does. */
export function batchThreads(config: RunConfig, folder: ModelFolder, count: number): BatchThreads {
  const augmentations: readonly Augmentation[] = augmentationsOf(config);
  const init = {
    pieces: folder.pieces,
    scaling: folder.scaling,
    seed: config.seed,
    augmentations,
    size: folder.config.imageSize,
    keptBytes: KEPT_BYTES / Math.max(1, count),
  };
  return new DataThreads({ module: "models/miss/batch-thread.js", start, init, count });
}
