import { IGNORE } from "../input/sample.js";

/** The rows of [B, L] whose next label counts, and that label: what position t predicts is the label of t + 1. */
export function nextTokens(labels: ArrayLike<number>, B: number, L: number): { rows: Int32Array; targets: Int32Array } {
  const rows: number[] = [];
  for (let b = 0; b < B; b++)
    for (let t = 0; t + 1 < L; t++) if (labels[b * L + t + 1] !== IGNORE) rows.push(b * L + t);
  return { rows: Int32Array.from(rows), targets: Int32Array.from(rows, (row) => labels[row + 1]) };
}
