/** Ends of an interval. */
export interface Interval {
  /** Lower end. */
  readonly low: number;
  /** Upper end. */
  readonly high: number;
}

/** 97.5 % point of the normal distribution: two-sided 95 % intervals. */
const Z = 1.959963984540054;

/** Wilson's score interval, 95 %, of a proportion `correct / total`. Not exact, but sound near 0 and 1. */
export function wilson(correct: number, total: number): Interval {
  if (total === 0) return { low: 0, high: 1 };
  const share = correct / total;
  const center = share + (Z * Z) / (2 * total);
  const spread = Z * Math.sqrt((share * (1 - share)) / total + (Z * Z) / (4 * total * total));
  const scale = 1 + (Z * Z) / total;
  return {
    // Rounding could put the end of an extreme proportion just inside the range.
    low: correct === 0 ? 0 : (center - spread) / scale,
    high: correct === total ? 1 : (center + spread) / scale,
  };
}
