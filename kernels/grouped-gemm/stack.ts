import type { InputSpec } from "../case-table.js";

/** A stack of matrices, scaled so that a product of normal numbers is near 1. */
export const stack = (E: number, N: number, K: number, transposed = true): InputSpec => ({
  shape: transposed ? [E, N, K] : [E, K, N],
  scale: 1 / Math.sqrt(Math.max(1, K)),
});
