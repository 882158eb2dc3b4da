import type { CaseTable, OpCase } from "../case-table.js";
import { bytesOf, sizeOf } from "../cost.js";

const shape = (name: string, T: number, C: number, extra: Partial<OpCase> = {}): OpCase => ({
  name,
  inputs: { x: { shape: [T, C], fill: "spiky" } },
  options: { eps: 1e-12 },
  ...extra,
});

export const table: CaseTable = {
  op: "l2Normalize",
  tolerance: { f32: 2e-6, bf16: 4e-3, f16: 5e-4 },
  reason: "f32 sums of at most 1,024 squares joined by lanes; |y| <= 1, half types round it once (2^-9, 2^-12)",
  cases: [
    shape("no row", 0, 65),
    shape("no column", 3, 0),
    shape("one element: y is the sign of x, its gradient zero", 1, 1),
    shape("row shorter than a vector", 3, 7, { dtypes: ["f32", "bf16", "f16"] }),
    shape("tail after whole vectors", 33, 65, { dtypes: ["f32", "bf16", "f16"] }),
    shape("a row of zeros and one shorter than eps: divided by eps", 3, 3, {
      inputs: { x: { shape: [3, 3], values: [0, 0, 0, 0.1, -0.2, 0.3, 3, -4, 12] } },
      options: { eps: 0.5 },
    }),
    shape("values of 1e4: squares beyond f16", 4, 40, {
      inputs: { x: { shape: [4, 40], scale: 1e4 } },
      dtypes: ["f32", "f16"],
    }),
    { ...shape("three dimensions", 2, 16), inputs: { x: [2, 5, 16] } },
    shape("CLIP embeddings, batch 256", 256, 512, { bench: true }),
  ],
  // Square and sum, quotient. Backward: y again, dot product with dy, dy less its share, quotient.
  cost: ({ inputs: { x } }, pass, dtype = "f32") =>
    pass === "forward"
      ? { flops: 3 * sizeOf(x), bytes: 2 * bytesOf(x, dtype) }
      : { flops: 6 * sizeOf(x), bytes: 3 * bytesOf(x, dtype) },
};
