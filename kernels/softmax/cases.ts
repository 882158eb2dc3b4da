import type { CaseTable, OpCase } from "../case-table.js";
import { bytesOf, sizeOf } from "../cost.js";

const shape = (name: string, T: number, C: number, extra: Partial<OpCase> = {}): OpCase => ({
  name,
  inputs: { x: { shape: [T, C], fill: "spiky" } },
  ...extra,
});

const huge = [1.6e38, -1.6e38, 0, 1e30, 1e30, -1e30, -3e38, -3e38, -3e38];

const cases: readonly OpCase[] = [
  shape("no row", 0, 5),
  shape("no column", 3, 0),
  shape("one element", 1, 1),
  shape("row shorter than a vector", 3, 7, { dtypes: ["f32", "bf16", "f16"] }),
  shape("tail after whole vectors", 33, 65, { dtypes: ["f32", "bf16", "f16"] }),
  shape("huge values: shifted by their maximum, never infinite", 3, 3, {
    inputs: { x: { shape: [3, 3], values: huge } },
    notDerivative: { x: "central differences vanish beside 1e30; the gradient itself is tested at ordinary values" },
  }),
  { ...shape("three dimensions", 2, 16), inputs: { x: [2, 5, 16] } },
  shape("router, 8 experts", 2048, 8),
  shape("MISS-small attention scores", 1182, 197, {
    bench: true,
    tolerance: {
      value: { f32: 2e-6 },
      reason: "where one weight is nearly 1, dx is the difference of two numbers near 3, a few units of 2.4e-7 off",
    },
  }),
  shape("one row of a large vocabulary", 1, 152064, { bench: true }),
];

// Maximum, difference, exponential, sum, quotient (of the logarithm a difference). Backward: product with dy, sum, difference,
// product (of the logarithm: sum of dy, exponential, product, difference).
const cost: CaseTable["cost"] = ({ inputs: { x } }, pass, dtype = "f32") =>
  pass === "forward"
    ? { flops: 5 * sizeOf(x), bytes: 2 * bytesOf(x, dtype) }
    : { flops: 4 * sizeOf(x), bytes: 3 * bytesOf(x, dtype) };

export const tables: CaseTable[] = [
  {
    op: "softmax",
    tolerance: { f32: 1e-6, bf16: 1.2e-2, f16: 1.5e-3 },
    reason:
      "y <= 1: f32 exponentials of 2 ulp over a sum joined by lanes; half types round y (2^-9, 2^-12), and dx reads that y, " +
      "where Σ dy y of a row whose dy reach 3 carries the rounding on",
    cases,
    cost,
  },
  {
    op: "logSoftmax",
    tolerance: { f32: 1e-6, bf16: 1.2e-2, f16: 1.5e-3 },
    reason:
      "relative to the largest |y|, up to 60: f32 rounds x - max once; half types round y once (2^-9, 2^-12), and dx takes " +
      "exp(y) of it, a relative error of up to half a step of y in weights that matter only where |y| is small",
    cases,
    cost,
  },
];
