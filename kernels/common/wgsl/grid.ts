/** What WebGPU guarantees, and what every adapter seen has, for each side of a grid. */
const MOST_WORKGROUPS = 65535;

/** A grid of at least `count` workgroups in rows of equal length; `folded_index` in grid.wgsl gives each its number. */
export function foldGrid(count: number): readonly [number, number, number] {
  const rows = Math.ceil(count / MOST_WORKGROUPS);
  return [rows > 1 ? Math.ceil(count / rows) : count, Math.max(1, rows), 1];
}
