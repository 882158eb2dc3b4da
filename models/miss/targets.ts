/** Positions without a target. */
export const IGNORE = -100;

/** The next token of each position but the last of ids [B, T]: [B, T - 1], IGNORE where its id is that of padding. */
export function shiftTargets(ids: ArrayLike<number>, B: number, T: number, pad: number): Int32Array {
  const targets = new Int32Array(B * (T - 1));
  for (let b = 0; b < B; b++)
    for (let t = 1; t < T; t++) {
      const id = ids[b * T + t];
      targets[b * (T - 1) + t - 1] = id === pad ? IGNORE : id;
    }
  return targets;
}
