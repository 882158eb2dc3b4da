/** A small seeded generator for test data: mulberry32, and normals by Box-Muller. Not the engine's stream. */
export function generator(seedText: string): {
  uniform(): number;
  normal(): number;
  integer(low: number, high: number): number;
} {
  let state = 2166136261;
  for (const c of seedText) state = Math.imul(state ^ c.charCodeAt(0), 16777619);
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal, integer: (low, high) => low + Math.floor(uniform() * (high - low)) };
}
