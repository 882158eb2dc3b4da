/** What a thread does for a training of MISS: decodes, resizes and scales images, makes ids of texts. */
import type { Start } from "../../bindings/platform/threads.js";
import { type BatchForm, type BatchRow, batchMaker, type HostBatch } from "./host-batch.js";

export const start: Start<BatchForm, readonly BatchRow[], HostBatch> = async (form) => {
  const make = batchMaker(form);
  return async (rows) => {
    const result = await make(rows);
    return { result, transfer: [result.pixels.buffer] };
  };
};
