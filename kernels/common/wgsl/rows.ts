import type { GpuLimits, WgslSource } from "../../contract.js";
import { foldGrid, over } from "./grid.js";

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

/** A launch with a workgroup for each of T rows of C columns, which depend on nothing of each other. */
export const perRow = /* @__NO_SIDE_EFFECTS__ */ (source: WgslSource) => ({
  source,
  tiles: ({ C }: { C: number }, limits: GpuLimits) => ({ WORKGROUP: rowThreads(C, limits) }),
  grid: ({ T }: { T: number }) => foldGrid(T),
  cut: over("T"),
});
