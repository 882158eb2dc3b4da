import type { CaseTable, InputSpec } from "../case-table.js";
import { bytesOf, bytesOfOne, sizeOf } from "../cost.js";

const FLOATS = ["f32", "bf16", "f16"] as const;
const index = (shape: readonly number[], high: number): InputSpec => ({ shape, dtype: "i32", low: 0, high });

const tolerances = {
  tolerance: { f32: 2e-6, bf16: 8e-3, f16: 1e-3 },
  reason: "a gather moves bits; sums of up to a hundred terms in f32, half types round once",
};

const gather: CaseTable = {
  op: "gather",
  ...tolerances,
  cases: [
    { name: "one of each row", inputs: { x: [9, 13], index: index([9, 1], 13) }, options: { dim: -1 }, dtypes: FLOATS },
    { name: "elements met several times", inputs: { x: [3, 4, 5], index: index([3, 40, 5], 4) }, options: { dim: 1 } },
    { name: "columns over two blocks", inputs: { x: [7, 70], index: index([11, 70], 7) }, options: { dim: 0 } },
    { name: "a vector", inputs: { x: [12], index: index([30], 12) }, options: { dim: 0 }, dtypes: FLOATS },
    {
      name: "integers",
      inputs: { x: { shape: [4, 6], dtype: "i32", low: -9, high: 9 }, index: index([4, 3], 6) },
      options: { dim: 1 },
    },
    {
      name: "no index",
      inputs: { x: [4, 6], index: { shape: [4, 0], dtype: "i32", values: [] } },
      options: { dim: 1 },
    },
    {
      name: "target of each of 320 answers, 30,522 words",
      inputs: { x: [320, 30522], index: index([320, 1], 30522) },
      options: { dim: 1 },
      bench: true,
    },
  ],
  cost: ({ inputs: { x, index } }, pass, dtype = "f32") => {
    const n = sizeOf(index);
    const [each, all] = [n * bytesOfOne(x, dtype), bytesOf(x, dtype)];
    return pass === "forward"
      ? { flops: 0, bytes: Math.min(each, all) + bytesOf(index, dtype) + each }
      : { flops: n, bytes: each + bytesOf(index, dtype) + all };
  },
};

const scatterAdd: CaseTable = {
  op: "scatterAdd",
  ...tolerances,
  cases: [
    {
      name: "some several times, some never",
      inputs: { base: [3, 9, 5], index: index([3, 20, 5], 9), x: [3, 20, 5] },
      options: { dim: 1 },
      dtypes: FLOATS,
    },
    {
      name: "columns over two blocks",
      inputs: { base: [7, 70], index: index([11, 70], 7), x: [11, 70] },
      options: { dim: 0 },
    },
    {
      name: "a histogram",
      inputs: { base: [10], index: index([100], 10), x: { shape: [100], fill: "positive" } },
      options: { dim: 0 },
    },
    {
      name: "a histogram of many",
      inputs: { base: [40], index: index([1500], 40), x: { shape: [1500], fill: "positive" } },
      options: { dim: 0 },
    },
    {
      name: "many in each of three columns",
      inputs: { base: [2, 70, 3], index: index([2, 600, 3], 70), x: [2, 600, 3] },
      options: { dim: 1 },
      dtypes: FLOATS,
    },
    {
      name: "no index",
      inputs: { base: [4, 3], index: { shape: [4, 0], dtype: "i32", values: [] }, x: [4, 0] },
      options: { dim: 1 },
    },
  ],
  cost: ({ inputs: { base, index, x } }, pass, dtype = "f32") => {
    const moved = bytesOf(x, dtype) + bytesOf(index, dtype);
    // The gradient of base is dy itself.
    return pass === "forward"
      ? { flops: sizeOf(x), bytes: 2 * bytesOf(base, dtype) + moved }
      : { flops: 0, bytes: Math.min(bytesOf(x, dtype), bytesOf(base, dtype)) + moved };
  },
};

export const tables: CaseTable[] = [gather, scatterAdd];
