import type { CaseTable } from "../case-table.js";
import { bytesOf, sizeOf } from "../cost.js";

const reason = "one product; the mask is bit-identical everywhere";
const tolerance = { f32: 3e-7, bf16: 4e-3, f16: 5e-4 };

export const tables: CaseTable[] = [
  {
    op: "dropout",
    tolerance,
    reason,
    cases: [
      { name: "no element", inputs: { x: [0, 5] }, options: { rate: 0.5 } },
      { name: "one element", inputs: { x: [1] }, options: { rate: 0.5 } },
      {
        name: "not a multiple of four",
        inputs: { x: [7, 11] },
        options: { rate: 0.1 },
        dtypes: ["f32", "bf16", "f16"],
      },
      { name: "over several runs and chunks", inputs: { x: [40, 1003] }, options: { rate: 0.3 } },
      { name: "almost everything", inputs: { x: [3, 300] }, options: { rate: 0.99 } },
      { name: "BERT states, batch 8", inputs: { x: [8, 35, 384] }, options: { rate: 0.1 }, bench: true },
    ],
    cost: ({ inputs: { x } }, _, dtype = "f32") => ({ flops: sizeOf(x), bytes: 2 * bytesOf(x, dtype) }),
  },
  {
    op: "dropPath",
    tolerance,
    reason,
    cases: [
      { name: "some of the samples", inputs: { x: [9, 5, 7] }, options: { rate: 0.4 }, dtypes: ["f32", "bf16"] },
      { name: "samples over several chunks", inputs: { x: [3, 20000] }, options: { rate: 0.5 } },
    ],
  },
];
