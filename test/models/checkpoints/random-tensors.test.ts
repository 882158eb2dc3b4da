import { describe, expect, test } from "vitest";
import { io } from "../../../engine/index.js";
import { type RandomDType, randomTensors } from "../../../models/checkpoints/random-tensors.js";

const tensors = [
  { name: "a", shape: [301, 333], fill: { std: 0.02 } },
  { name: "b", shape: [7, 3], fill: { std: 1 } },
  { name: "c", shape: [5], fill: { value: 1 } },
];
const values = async (dtype: RandomDType, seed = 0) => {
  const made = randomTensors(tensors, dtype, seed);
  return Promise.all(made.map(async (t) => io.toFloat32(await t.read(), t.dtype)));
};

describe("randomTensors", () => {
  test.each(["F32", "F16", "BF16"] as const)("%s: normal values, the size asked for, constants", async (dtype) => {
    const [a, b, c] = await values(dtype);
    expect([a.length, b.length, [...c]]).toEqual([301 * 333, 21, [1, 1, 1, 1, 1]]);
    const mean = a.reduce((s, v) => s + v, 0) / a.length;
    const deviation = Math.sqrt(a.reduce((s, v) => s + (v - mean) ** 2, 0) / a.length);
    expect(Math.abs(mean)).toBeLessThan(4 * (0.02 / Math.sqrt(a.length)));
    expect(Math.abs(deviation / 0.02 - 1)).toBeLessThan(0.01);
    // The share within one and two standard deviations.
    for (const [n, share] of [
      [1, 0.6827],
      [2, 0.9545],
    ])
      expect(Math.abs(a.filter((v) => Math.abs(v) < n * 0.02).length / a.length - share)).toBeLessThan(0.01);
    // Neighbours, whose bits are of one word, and rows are independent.
    for (const distance of [1, 2, 333]) {
      let product = 0;
      for (let i = distance; i < a.length; i++) product += a[i] * a[i - distance];
      expect(Math.abs(product / a.length / 0.02 ** 2)).toBeLessThan(0.015);
    }
  });

  test("the same seed, the same bytes; another seed, another tensor: others", async () => {
    expect(await values("BF16", 3)).toEqual(await values("BF16", 3));
    expect((await values("BF16", 3))[0]).not.toEqual((await values("BF16", 4))[0]);
    const [first, second] = await values("F32");
    expect(first.slice(0, 21).map((v) => v / 0.02)).not.toEqual(second);
  });
});
