import { describe, expect, test } from "vitest";
import { HostRandom } from "../../engine/index.js";
import { permutationTest } from "../../models/eval/permutation.js";

const groups = (n: number) => Array.from({ length: n }, (_, i) => ["HEAD", "CHEST", "ABD"][i % 3]);

describe("permutationTest", () => {
  test("all arrangements of four units: 8 of 24 are as uneven", () => {
    const { statistic, pValue } = permutationTest([[1], [1], [0], [0]], ["a", "a", "b", "b"], { permutations: 40_000 });
    expect(statistic).toBeCloseTo(1, 12);
    expect(pValue).toBeCloseTo(1 / 3, 1);
  });

  test("groups that differ are found, groups dealt by chance are not more often than the level says", () => {
    const random = new HostRandom(5);
    const units = (shift: number) =>
      groups(60).map((group) => {
        const x = random.uniform() + (group === "HEAD" ? shift : 0);
        return [x, 1 - x];
      });
    expect(permutationTest(units(0.5), groups(60)).pValue).toBeLessThan(0.001);
    const found = Array.from({ length: 100 }, (_, seed) =>
      permutationTest(units(0), groups(60), { seed, permutations: 199 }),
    ).filter(({ pValue }) => pValue <= 0.05).length;
    expect(found).toBeLessThanOrEqual(12);
  });

  test("same seed, same p-value; one group is refused", () => {
    const units = groups(9).map((_, i) => [i]);
    expect(permutationTest(units, groups(9), { seed: 3 })).toEqual(permutationTest(units, groups(9), { seed: 3 }));
    expect(() => permutationTest(units, groups(9).fill("HEAD"))).toThrow("needs a label for each, of two or more");
  });
});
