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
