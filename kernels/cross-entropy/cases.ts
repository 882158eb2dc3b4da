import type { CaseTable, InputSpec, OpCase } from "../case-table.js";
import { bytesOf, sizeOf } from "../cost.js";

type Options = { reduction?: "mean" | "sum" | "none"; labelSmoothing?: number; ignoreIndex?: number };

const make = (name: string, T: number, V: number, options: Options = {}, extra: Partial<OpCase> = {}): OpCase => ({
  name,
  ...extra,
  inputs: {
    logits: { shape: [T, V], fill: "spiky" },
    target: { shape: [T], dtype: "i32", low: 0, high: V },
    ...extra.inputs,
  },
  options: { reduction: "mean", labelSmoothing: 0, ignoreIndex: -100, ...options },
});

const target = (...values: number[]): InputSpec => ({ shape: [values.length], dtype: "i32", values });
const all = { dtypes: ["f32", "bf16", "f16"] } as const;

/** Every other target is -100, as where only answers are scored. */
const answersOnly = (T: number, V: number) =>
  target(...Array.from({ length: T }, (_, t) => (t % 2 ? -100 : (t * 7919) % V)));

export const table: CaseTable = {
  op: "crossEntropy",
  tolerance: { f32: 2e-6, bf16: 4e-3, f16: 5e-4 },
  reason:
    "losses are f32 for every type, of sums of at most 152,064 exponentials joined by lanes and blocks; the gradient takes " +
    "exp(x - m - log s), a relative error of 1e-6 where x - m is -10; half types round dlogits (<= 1 per dy) once (2^-9, 2^-12)",
  cases: [
    make("no token, per token", 0, 7, { reduction: "none" }),
    make("no token, sum", 0, 7, { reduction: "sum" }),
    make("one class: the loss is 0", 3, 1),
    make("row shorter than a vector, per token", 5, 7, { reduction: "none" }, all),
    make("tail after whole vectors, sum", 33, 65, { reduction: "sum" }, all),
    make("a block of columns and one more", 3, 4097, {}, all),
    make("three blocks, per token, smoothed", 2, 10000, { reduction: "none", labelSmoothing: 0.1 }, all),
    make("smoothed", 9, 40, { labelSmoothing: 0.1 }, all),
    make("smoothing of 1: the targets do not matter", 4, 9, { labelSmoothing: 1 }),
    make("some ignored: the mean is over the others", 5, 12, {}, { inputs: { target: target(3, -100, 0, -100, 11) } }),
    make(
      "some ignored, smoothed, per token",
      4,
      12,
      { reduction: "none", labelSmoothing: 0.2 },
      {
        inputs: { target: target(-100, 5, 11, -100) },
      },
    ),
    make("ignoreIndex 0: a class is left out", 4, 6, { ignoreIndex: 0 }, { inputs: { target: target(0, 5, 1, 0) } }),
    make("all ignored: 0, not NaN", 3, 8, {}, { inputs: { target: target(-100, -100, -100) } }),
    make(
      "huge logits: no overflow",
      3,
      5,
      { reduction: "none" },
      {
        inputs: {
          logits: { shape: [3, 5], values: [1e30, -1e30, 0, 1, 2, 3e38, 3e38, 0, -3e38, 1, 1e4, 1e4, -1e4, 5, 9999] },
          target: target(0, 1, 4),
        },
        notDerivative: { logits: "central differences vanish beside 1e30; the gradient is tested at ordinary values" },
      },
    ),
    make(
      "logits far from zero: the sum is not swallowed by the maximum",
      4,
      33,
      { reduction: "none" },
      {
        inputs: {
          logits: { shape: [4, 33], values: Array.from({ length: 132 }, (_, i) => 1000 + ((i * 37) % 19) / 8) },
        },
      },
    ),
    make(
      "three dimensions",
      2,
      16,
      { reduction: "none" },
      {
        inputs: { logits: [2, 5, 16], target: { shape: [2, 5], dtype: "i32", low: 0, high: 16 } },
      },
    ),
    make("MISS-small vocabulary", 4, 30522, { labelSmoothing: 0.1 }, { inputs: { target: answersOnly(4, 30522) } }),
    make("MISS-small answers, batch 32", 320, 30522, {}, { bench: true }),
    make("one token of a large vocabulary", 1, 152064, { reduction: "none" }, { bench: true }),
  ],
  cost: ({ inputs: { logits, target }, options }, pass, dtype = "f32") => {
    const { reduction, labelSmoothing } = options as Options;
    const n = sizeOf(logits);
    // Maximum, difference, exponential, sum; with smoothing the sum of the logits, too. Backward: difference, exponential,
    // quotient, times dy; with smoothing less the share of each.
    const flops = (labelSmoothing ? 5 : 4) * n;
    const losses = 4 * (reduction === "none" ? sizeOf(target) : 1);
    const bytes = bytesOf(logits, dtype) + bytesOf(target, dtype) + losses;
    return { flops, bytes: pass === "forward" ? bytes : bytes + bytesOf(logits, dtype) };
  },
};
