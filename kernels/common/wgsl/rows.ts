import type { GpuLimits } from "../../contract.js";

/** Wider rows keep 256 threads busy, and lose digits in f32 sums of more than some hundred terms. */
const WIDE = 2048;

/**
 * Threads of the workgroup that reduces a row. Barriers are dear on a software adapter, and one vector of threads keeps
 * all its cores as busy; in a wide row they do not count.
 */
export function rowThreads(columns: number, { software }: GpuLimits): number {
  if (columns > WIDE) return 256;
  return software ? 8 : 64;
}
