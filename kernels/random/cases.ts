import type { CaseTable } from "../case-table.js";

export const tables: CaseTable[] = [
  {
    op: "rand",
    tolerance: { f32: 3e-7, bf16: 4e-3, f16: 5e-4 },
    reason: "one product and one sum of numbers near 1",
    cases: [
      {
        name: "not a multiple of four",
        inputs: { like: [5, 7] },
        options: { low: -1, high: 2 },
        dtypes: ["f32", "bf16"],
      },
      { name: "over several runs and chunks", inputs: { like: [33000] }, options: { low: 0, high: 1 } },
    ],
  },
  {
    op: "randn",
    tolerance: { f32: 2e-6, bf16: 4e-3, f16: 5e-4 },
    reason: "logarithm, square root, sine and cosine in f32 of numbers up to 6",
    cases: [
      { name: "odd length", inputs: { like: [5, 7] }, options: { mean: 0.5, std: 2 }, dtypes: ["f32", "bf16", "f16"] },
      { name: "over several runs and chunks", inputs: { like: [33001] }, options: { mean: 0, std: 1 } },
    ],
  },
];
