import type { GpuLimits } from "../../contract.js";

/** From here on a row takes more threads: one at a time would be slow on a GPU, and lose digits in a long f32 sum. */
const WIDE = 2048;

/**
 * Threads of the workgroup that reduces a row. Barriers are dear on a software adapter, and one vector of threads keeps
 * all its cores as busy.
 */
export function rowThreads(columns: number, { software }: GpuLimits): number {
  if (columns > WIDE) return software ? 64 : 256;
  return software ? 8 : 64;
}
