/**
 * Whether |difference| <= tolerance * max(1, largest reference magnitude), element by element; NaN never passes. Null where
 * it does, else a text with the worst element.
 */
export function disagreement(
  title: string,
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): string | null {
  if (got.length !== expected.length) return `${title}: ${got.length} elements, not ${expected.length}`;
  let scale = 1;
  for (let i = 0; i < expected.length; i++)
    if (Number.isFinite(expected[i])) scale = Math.max(scale, Math.abs(expected[i]));
  let worst = 0;
  let at = -1;
  let wrong = 0;
  for (let i = 0; i < expected.length; i++) {
    const apart = got[i] === expected[i] ? 0 : Math.abs(got[i] - expected[i]);
    const difference = Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart;
    if (difference > tolerance * scale) wrong++;
    if (difference > worst) {
      worst = difference;
      at = i;
    }
  }
  if (wrong === 0) return null;
  return (
    `${title}: ${wrong} of ${expected.length} elements differ by more than ${tolerance} * ${scale.toPrecision(3)}; ` +
    `worst at ${at}: got ${got[at]}, expected ${expected[at]} (difference ${(worst / scale).toExponential(2)} of the scale)`
  );
}
