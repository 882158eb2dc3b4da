/** Do groups differ in a share, or would groups drawn by chance differ as much? */
import { OptionError } from "../../engine/index.js";
import { shuffle } from "../data/order.js";
import { randomStream } from "../data/random.js";

/** What a permutation test found. */
export interface PermutationTest {
  /** Σ over groups of size · |group mean - mean|². */
  readonly statistic: number;
  /** Share of the arrangements with a statistic at least as large, this one among them. */
  readonly pValue: number;
}

/**
 * Whether the means of `values` (a vector for each unit: an image, a patient) differ between the groups that the units are
 * in. Labels are dealt anew `permutations` times; units must not depend on each other. Same seed, same p-value.
 */
export function permutationTest(
  values: readonly (readonly number[])[],
  groups: readonly string[],
  { seed = 0, permutations = 9999 }: { seed?: number; permutations?: number } = {},
): PermutationTest {
  if (values.length !== groups.length || new Set(groups).size < 2)
    throw new OptionError(
      `permutationTest: ${values.length} units in ${new Set(groups).size} groups of ${groups.length} labels; needs a label for each, of two or more.`,
    );
  const names = [...new Set(groups)];
  const labels = Int32Array.from(groups, (group) => names.indexOf(group));
  const statistic = between(values, labels, names.length);
  const random = randomStream(seed, "permutation");
  let asLarge = 1;
  for (let i = 0; i < permutations; i++) {
    const dealt = shuffle(labels.length, random);
    const other = between(
      values,
      Int32Array.from(dealt, (from) => labels[from]),
      names.length,
    );
    // Arrangements that only swap equal units must not fall below by rounding.
    if (other >= statistic * (1 - 1e-12)) asLarge++;
  }
  return { statistic, pValue: asLarge / (permutations + 1) };
}

function between(values: readonly (readonly number[])[], labels: Int32Array, groups: number): number {
  const [{ length }] = values;
  const sums = new Float64Array(groups * length);
  const counts = new Float64Array(groups);
  const all = new Float64Array(length);
  values.forEach((vector, unit) => {
    const group = labels[unit];
    counts[group]++;
    for (let d = 0; d < length; d++) {
      sums[group * length + d] += vector[d];
      all[d] += vector[d];
    }
  });
  let statistic = 0;
  for (let group = 0; group < groups; group++)
    for (let d = 0; d < length; d++)
      statistic += counts[group] * (sums[group * length + d] / counts[group] - all[d] / values.length) ** 2;
  return statistic;
}
