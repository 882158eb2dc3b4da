import type { CaseTable, InputSpec, OpCase } from "../case-table.js";
import type { FloatDType } from "../contract.js";
import { BYTES, bytesOf, shapeOf } from "../cost.js";
import { allOn, inTurn, listsOf, type Sample, scattered, weightsOf } from "../top-k-routing/sample.js";

const ALL: readonly FloatDType[] = ["f32", "bf16", "f16"];

/** Sizes that both directions are tried at: a routing, columns, types. */
const settings: readonly (readonly [string, Sample, number, Partial<OpCase>?])[] = [
  ["no token", inTurn(4, 0, 2), 8],
  ["no column", inTurn(4, 6, 2), 0],
  ["one token, one expert", inTurn(1, 1, 1), 1],
  ["every expert of a token", inTurn(3, 5, 3), 7, { dtypes: ALL }],
  ["all tokens on one expert", allOn(2, 4, 33, 1), 20, { dtypes: ALL }],
  ["dropped choices, of one token both", { ...scattered(4, 21, 2), dropped: (i) => i < 2 || i % 3 === 0 }, 33],
  ["everything dropped", { ...inTurn(4, 9, 2), dropped: () => true }, 16, { dtypes: ALL }],
  ["512 experts, 16 of a token", inTurn(512, 70, 16), 12],
  ["columns over a workgroup and a tail", scattered(8, 40, 2), 1031, { dtypes: ALL }],
  ["OLMoE's rows, 8 of 64 experts", scattered(64, 256, 8), 512, { bench: true }],
];

/** Rows that are kept: the last of the offsets. */
const kept = (lists: InputSpec, E: number) => (lists as { values: readonly number[] }).values[E];

export const tables: CaseTable[] = [
  {
    op: "dispatchTokens",
    tolerance: { f32: 3e-6, bf16: 8e-3, f16: 1e-3 },
    reason: "rows are copies; a token's gradient is an f32 sum of at most 16 rows, rounded once to a half type",
    cases: settings.map(([name, sample, C, extra]) => ({
      name,
      inputs: { x: [sample.T, C], lists: listsOf(sample) },
      options: { topK: sample.K, experts: sample.E },
      ...extra,
    })),
    // Rows of dropped choices are zeros; backward nobody reads their gradients.
    cost: ({ inputs: { x, lists }, options }, pass, dtype = "f32") => {
      const { topK, experts } = options as { topK: number; experts: number };
      const once = bytesOf(x, dtype) + bytesOf(lists, dtype);
      const rows = kept(lists, experts) * shapeOf(x)[1];
      return pass === "forward"
        ? { flops: 0, bytes: once + topK * bytesOf(x, dtype) }
        : { flops: rows, bytes: once + rows * BYTES[dtype] };
    },
  },
  {
    op: "combineTokens",
    tolerance: { f32: 3e-6, bf16: 8e-3, f16: 1e-3 },
    reason:
      "f32 sums of at most 16 products forward, of C for a weight's gradient, which is near √C; half types round once",
    cases: settings.map(([name, sample, C, extra]) => ({
      name,
      inputs: { x: [sample.T * sample.K, C], weights: weightsOf(sample), lists: listsOf(sample) },
      options: { experts: sample.E },
      ...extra,
    })),
    // y, or dy; the rows that are kept, and all of their gradients.
    cost: ({ inputs: { x, weights, lists }, options }, pass, dtype = "f32") => {
      const [T] = shapeOf(weights);
      const C = shapeOf(x)[1];
      const rows = kept(lists, options?.experts as number) * C;
      const once = (T * C + rows) * BYTES[dtype] + bytesOf(weights, dtype) + bytesOf(lists, dtype);
      return pass === "forward"
        ? { flops: 2 * rows, bytes: once }
        : { flops: 3 * rows, bytes: once + bytesOf(x, dtype) + bytesOf(weights, dtype) };
    },
  },
];
