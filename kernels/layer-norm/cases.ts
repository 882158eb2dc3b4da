import type { CaseTable, OpCase } from "../case-table.js";
import { bytesOf, sizeOf } from "../cost.js";

const shape = (T: number, C: number, extra: Partial<OpCase> = {}): OpCase => ({
  name: "",
  inputs: { x: { shape: [T, C], fill: "spiky" }, weight: [C], bias: [C] },
  options: { eps: 1e-5 },
  ...extra,
});

export const table: CaseTable = {
  op: "layerNorm",
  tolerance: { f32: 2e-6, bf16: 1e-2, f16: 2e-3 },
  reason:
    "f32 sums of at most 3,072 terms joined by lanes; half types round once per output (2^-9, 2^-12) of values up to 30",
  cases: [
    shape(0, 65, { name: "no row: the gradients of weight and bias are zero" }),
    shape(3, 0, { name: "no column" }),
    shape(1, 1, { name: "one element: the variance is zero", options: { eps: 1e-3 } }),
    shape(3, 7, { name: "row shorter than a vector", dtypes: ["f32", "bf16", "f16"] }),
    shape(130, 65, { name: "tail after whole vectors, rows over two blocks", dtypes: ["f32", "bf16", "f16"] }),
    shape(9, 40, { name: "eps below f32 resolution (BERT)", options: { eps: 1e-12 } }),
    { ...shape(2, 16), name: "three dimensions", inputs: { x: [2, 5, 16], weight: [16], bias: [16] } },
    shape(1576, 384, { name: "MISS-small ViT, batch 8", bench: true }),
    shape(901, 768, { name: "MISS-base ViT at 480 px", options: { eps: 1e-6 }, bench: true }),
  ],
  // Sum; difference, square, sum; scale, weight, bias. Backward: x̂ again (2), dy times weight, its sum and dot product with x̂
  // (3), dx of them (4), the gradients of weight and bias (3).
  cost: ({ inputs: { x, weight, bias } }, pass, dtype = "f32") =>
    pass === "forward"
      ? { flops: 7 * sizeOf(x), bytes: 2 * bytesOf(x, dtype) + bytesOf(weight, dtype) + bytesOf(bias, dtype) }
      : { flops: 13 * sizeOf(x), bytes: 3 * bytesOf(x, dtype) + 2 * bytesOf(weight, dtype) + bytesOf(bias, dtype) },
};
