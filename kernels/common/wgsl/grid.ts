import type { GpuLimits, Tiles, WgslSource } from "../../contract.js";

/** What WebGPU guarantees, and what every adapter seen has, for each side of a grid. */
const MOST_WORKGROUPS = 65535;

/** A grid of at least `count` workgroups in rows of equal length; `folded_index` in grid.wgsl gives each its number. */
export function foldGrid(count: number): readonly [number, number, number] {
  const rows = Math.ceil(count / MOST_WORKGROUPS);
  return [rows > 1 ? Math.ceil(count / rows) : count, Math.max(1, rows), 1];
}

/** A WGSL launch whose threads work each for itself. */
export interface ThreadLaunch<P> {
  /** The kernel. */
  readonly source: WgslSource;
  /** Constants put in front of it. */
  tiles(): Tiles;
  /** Workgroups in x, y, z. */
  grid(params: P): readonly [number, number, number];
}

/** A launch of one thread for each of `count(params)` cells; no barriers, so the workgroup's size is of no account. */
export const threads = /* @__NO_SIDE_EFFECTS__ */ <P = Readonly<Record<string, number>>>(
  source: WgslSource,
  count: (params: P) => number,
): ThreadLaunch<P> => ({
  source,
  tiles: () => ({ WORKGROUP: 64 }),
  grid: (params: P) => foldGrid(Math.ceil(count(params) / 64)),
});

/** The number that elementwise passes have. */
export interface Elements {
  /** How many there are. */
  readonly n: number;
}

/** A launch of one thread for every four neighbouring elements, which it moves as one vector. */
export const vectors = /* @__NO_SIDE_EFFECTS__ */ (source: WgslSource) =>
  threads<Elements>(source, ({ n }) => Math.ceil(n / 4));

/** A launch may be cut over this letter: what it computes for one depends on nothing of the others. */
export const over =
  /* @__NO_SIDE_EFFECTS__ */
    <const K extends string>(letter: K) =>
    () => ({ over: letter });

/** The same, of elements that depend on nothing but their own place. */
export const perElement = /* @__NO_SIDE_EFFECTS__ */ (source: WgslSource) => ({ ...vectors(source), cut: over("n") });

/** The launch that fills the lists of lists.wgsl. Each thread walks over all positions: more of them share less work. */
export const makeLists = /* @__NO_SIDE_EFFECTS__ */ (source: WgslSource, buffers: readonly string[]) => ({
  source,
  tiles: (_: unknown, { software }: GpuLimits): Tiles =>
    software ? { GROUPS: 8, WORKGROUP: 8 } : { GROUPS: 64, WORKGROUP: 64 },
  grid: (_: unknown, { GROUPS }: Tiles) => [GROUPS, 1, 1] as const,
  buffers,
});
