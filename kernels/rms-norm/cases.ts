import type { CaseTable, OpCase } from "../case-table.js";
import { bytesOf, sizeOf } from "../cost.js";

const shape = (name: string, T: number, C: number, extra: Partial<OpCase> = {}): OpCase => ({
  name,
  inputs: { x: { shape: [T, C], fill: "spiky" }, weight: [C] },
  options: { eps: 1e-5 },
  ...extra,
});

export const table: CaseTable = {
  op: "rmsNorm",
  tolerance: { f32: 2e-6, bf16: 1e-2, f16: 2e-3 },
  reason:
    "f32 sums of at most 4,096 terms joined by lanes; half types round once per output (2^-9, 2^-12) of values up to 30",
  cases: [
    shape("no row: the gradient of weight is zero", 0, 65),
    shape("no column", 3, 0),
    shape("one element: y is the sign of x", 1, 1, { options: { eps: 1e-3 } }),
    shape("row shorter than a vector", 3, 7, { dtypes: ["f32", "bf16", "f16"] }),
    shape("tail after whole vectors, rows over three blocks", 130, 65, { dtypes: ["f32", "bf16", "f16"] }),
    shape("a row of zeros: only eps keeps it finite", 2, 4, {
      inputs: { x: { shape: [2, 4], values: [0, 0, 0, 0, 1, -2, 3, -4] }, weight: [4] },
      options: { eps: 1e-2 },
    }),
    shape("values of 1e4: squares near the f16 limit are summed in f32", 5, 33, {
      inputs: { x: { shape: [5, 33], scale: 1e4 }, weight: [33] },
      dtypes: ["f32", "f16"],
    }),
    { ...shape("three dimensions", 2, 16), inputs: { x: [2, 5, 16], weight: [16] } },
    shape("stories260k: one token", 1, 64),
    shape("language model prefill", 512, 2048, { bench: true }),
    shape("language model decode", 1, 4096, { options: { eps: 1e-6 }, bench: true }),
  ],
  // Square, sum; scale, weight. Backward: x̂ again, dy times weight, dot product (2), dx of them (3), the gradient of weight (2).
  cost: ({ inputs: { x, weight } }, pass, dtype = "f32") =>
    pass === "forward"
      ? { flops: 4 * sizeOf(x), bytes: 2 * bytesOf(x, dtype) + bytesOf(weight, dtype) }
      : { flops: 9 * sizeOf(x), bytes: 3 * bytesOf(x, dtype) + 2 * bytesOf(weight, dtype) },
};
