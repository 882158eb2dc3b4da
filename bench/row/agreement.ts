import type { FloatDType } from "../../kernels/contract.js";
import type { Task } from "../task.js";

type Results = Readonly<Record<string, ArrayLike<number>>>;

/** Largest |difference| / max(1, largest |ours|) over all results; Infinity where one is missing, NaN or of another size. */
export function differenceOf(theirs: Results, ours: Results): number {
  let worst = 0;
  for (const [name, expected] of Object.entries(ours)) {
    const got = theirs[name];
    if (got?.length !== expected.length) return Number.POSITIVE_INFINITY;
    let scale = 1;
    let difference = 0;
    for (let i = 0; i < expected.length; i++) {
      const d = Math.abs(got[i] - expected[i]);
      if (Number.isNaN(d)) return Number.POSITIVE_INFINITY;
      if (d > difference) difference = d;
      if (Math.abs(expected[i]) > scale) scale = Math.abs(expected[i]);
    }
    worst = Math.max(worst, difference / scale);
  }
  return worst;
}

/** Of one implementation in 16 bits: operands and results are rounded, sums are not. */
const ROUNDING: Readonly<Record<FloatDType, number>> = { f32: 0, bf16: 2 ** -6, f16: 2 ** -9 };

/** By how much results in a storage type may differ from the truth, relative to the largest; two of them by twice that. */
export const toleranceIn = (dtype: FloatDType, { tolerance }: Pick<Task, "tolerance">): number =>
  Math.max(tolerance, ROUNDING[dtype]);
