import type { CaseTable, InputSpec, OpCase } from "../case-table.js";
import type { DType, FloatDType } from "../contract.js";
import { BYTES, bytesOf, sizeOf } from "../cost.js";

const FLOATS: readonly FloatDType[] = ["f32", "bf16", "f16"];

const to = (dtype: string, name: string, x: InputSpec, extra: Partial<OpCase> = {}): OpCase => ({
  name: `to ${dtype}: ${name}`,
  inputs: { x },
  options: { dtype },
  ...extra,
});

const rounding = {
  value: { f32: 4e-3, bf16: 4e-3, f16: 4e-3 },
  reason: "half a unit in the last place of the narrower type, 2^-9 for bf16",
};

const FAR: InputSpec = { shape: [8], values: [2 ** 31, -(2 ** 31), 2 ** 32, -1e20, 1e20, NaN, -0.99, 2147483520] };
const integers = (shape: readonly number[]): InputSpec => ({ shape, dtype: "i32", low: -(2 ** 31), high: 2 ** 31 });

export const tables: CaseTable[] = [
  {
    op: "cast",
    tolerance: { f32: 0, bf16: 0, f16: 0 },
    reason: "widening is exact; narrowing states its own",
    cases: [
      to("f32", "tail after whole vectors", [129, 257], { dtypes: FLOATS, tolerance: rounding }),
      to("bf16", "tail after whole vectors", [129, 257], { dtypes: FLOATS, tolerance: rounding }),
      to("f16", "tail after whole vectors", [129, 257], { dtypes: FLOATS, tolerance: rounding }),
      to("f16", "no element", [0]),
      to("f32", "integers that f32 rounds", integers([33]), {
        tolerance: { value: { f32: 6e-8 }, reason: "half a unit in the last place" },
      }),
      to("bf16", "integers", { shape: [19], dtype: "i32", low: -200, high: 200 }, { tolerance: rounding }),
      to("f32", "u32 above 2^31", { shape: [3], dtype: "u32", values: [2 ** 31, 2 ** 32 - 256, 7] }),
      to("bf16", "weights of a BERT layer", [768, 3072], { bench: true, tolerance: rounding }),
    ],
    cost: ({ inputs: { x }, options }, _, dtype = "f32") => ({
      flops: 0,
      bytes: bytesOf(x, dtype) + sizeOf(x) * BYTES[options?.dtype as DType],
    }),
  },
  {
    op: "castToInt",
    tolerance: { f32: 0, bf16: 0, f16: 0 },
    reason: "whole numbers",
    cases: [
      to("i32", "towards zero, both signs", { shape: [67], scale: 100 }, { dtypes: FLOATS }),
      to("i32", "out of range and NaN", FAR),
      to("u32", "out of range and NaN", FAR),
    ],
  },
];
