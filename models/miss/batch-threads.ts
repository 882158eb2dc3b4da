import { DataThreads } from "../training/loading/threads.js";
import { start } from "./batch-thread.js";
import type { BatchForm, BatchRow, HostBatch } from "./host-batch.js";
import type { ModelFolder } from "./model-folder.js";

/** Bytes of decoded images that a training keeps, all threads together: 90,000 of 64 pixels, 1,500 of 480. */
const KEPT_BYTES = 2 ** 30;

export type BatchThreads = DataThreads<BatchForm, readonly BatchRow[], HostBatch>;

/** What a run has of its own, beside its model. */
type OfRun = Pick<BatchForm, "seed" | "augmentations" | "questionLength">;

/** Threads that make a run's batches of its rows; with a `count` of 0 the caller's thread does. */
export function batchThreads(run: OfRun, folder: ModelFolder, count: number): BatchThreads {
  const init = {
    ...run,
    pieces: folder.pieces,
    scaling: folder.scaling,
    size: folder.config.imageSize,
    keptBytes: KEPT_BYTES / Math.max(1, count),
  };
  return new DataThreads({ module: "models/miss/batch-thread.js", start, init, count });
}
