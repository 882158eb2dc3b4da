import type { CaseTable, OpCase } from "../case-table.js";
import type { FloatDType } from "../contract.js";
import { BYTES, bytesOf, product, shapeOf, sizeOf } from "../cost.js";

const FLOATS: readonly FloatDType[] = ["f32", "bf16", "f16"];

const of = (
  name: string,
  shape: readonly number[],
  options: OpCase["options"],
  extra: Partial<OpCase> = {},
): OpCase => ({
  name,
  inputs: { x: { shape } },
  options,
  ...extra,
});

const cases: OpCase[] = [
  of("a number: nothing to reduce", [], {}),
  of("all of a matrix", [70, 65], {}, { dtypes: FLOATS }),
  of("rows shorter than a vector", [33, 5], { dim: -1 }, { dtypes: FLOATS }),
  of("rows of four vectors and a tail", [9, 259], { dim: 1, keepDim: true }, { dtypes: FLOATS }),
  of("a row of a thousand vectors, not all at whole ones", [3, 1101], { dim: 1 }, { dtypes: FLOATS }),
  of("a row over three runs", [2, 20000], { dim: 1 }),
  of("columns over three blocks of rows, two of columns", [300, 270], { dim: 0 }, { dtypes: FLOATS }),
  of("columns narrower than a vector, rows left over", [131, 3], { dim: 0, keepDim: true }),
  of("the middle of three dimensions", [3, 141, 37], { dim: 1 }),
  of("neighbouring dimensions, with one of size 1 between", [4, 6, 1, 5, 7], { dim: [1, 3] }),
  of("a dimension of size 1", [5, 1, 6], { dim: 1 }),
  of("columns of a BERT layer", [512, 768], { dim: 0 }, { bench: true }),
  of("rows of a BERT layer", [512, 768], { dim: -1 }, { bench: true }),
];

const apart: OpCase[] = [
  of("first and last dimension", [5, 33, 6], { dim: [0, 2] }, { dtypes: FLOATS }),
  of("every second dimension", [3, 4, 5, 6, 7], { dim: [0, 2, 4], keepDim: true }),
];

/** Elements of the result. */
function left({ inputs: { x }, options }: OpCase): number {
  const shape = shapeOf(x);
  const dim = options?.dim as number | readonly number[] | undefined;
  const gone = dim === undefined ? shape.map((_, i) => i) : [dim].flat().map((d) => (d + shape.length) % shape.length);
  return product(shape.filter((_, i) => !gone.includes(i)));
}

/** An addition or comparison of each element; its gradient is that of the result, or that where it is the largest. */
const cost =
  (compares: boolean): CaseTable["cost"] =>
  (c, pass, dtype = "f32") => {
    const { x } = c.inputs;
    const bytes = bytesOf(x, dtype) + left(c) * BYTES[dtype];
    if (pass === "forward") return { flops: sizeOf(x), bytes };
    return compares ? { flops: sizeOf(x), bytes: 2 * bytes } : { flops: 0, bytes };
  };

const sums = (op: string, empty: OpCase): CaseTable => ({
  op,
  tolerance: { f32: 1e-6, bf16: 1e-2, f16: 1.2e-3 },
  reason:
    "sums of up to 40,000 terms in blocks of 8,192 and 128, relative to the largest sum; half types round once or twice",
  cases: [...cases, ...apart, empty],
  cost: cost(false),
});

/** Ties, infinities and NaN are in test/special-values.test.ts. */
const extrema = (op: string): CaseTable => ({
  op,
  tolerance: { f32: 0, bf16: 0, f16: 0 },
  reason: "an element of x and one of dy, unchanged",
  cases,
  cost: cost(true),
});

export const tables: CaseTable[] = [
  sums("sum", of("no element", [3, 0, 2], { dim: 1 })),
  sums("mean", of("one element each", [3, 1, 2], { dim: 1 })),
  extrema("max"),
  extrema("min"),
];
