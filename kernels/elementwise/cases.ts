import type { CaseTable, InputSpec, OpCase } from "../case-table.js";
import type { FloatDType } from "../contract.js";
import { BYTES, bytesOf, product, shapeOf, sizeOf } from "../cost.js";
import { DERIVATIVE_OF, type UnaryName } from "./functions.js";

const FLOATS: readonly FloatDType[] = ["f32", "bf16", "f16"];
/** Half a unit in the last place, relative, as often as a value is rounded on its way into a gradient. */
const half = (roundings: number) => ({ bf16: roundings * 2 ** -8, f16: roundings * 2 ** -11 });

// ---------------------------------------------------------------------------------------------------------------------
// Unary

type Domain = Omit<Extract<InputSpec, { readonly fill?: string }>, "shape">;

interface UnaryTraits {
  readonly domain?: Domain;
  readonly options?: Readonly<Record<string, number>>;
  /** Operations of an element. Default: 1. */
  readonly flops?: number;
  /** Of a half type: the stored result counts as often as the derivative multiplies it, then the gradient. Default: 2. */
  readonly roundings?: number;
}

const POSITIVE: Domain = { fill: "positive" };

const UNARY_TRAITS: Readonly<Record<UnaryName, UnaryTraits>> = {
  affine: { options: { alpha: -1.5, beta: 0.25 }, flops: 2 },
  exp: {},
  log: { domain: POSITIVE },
  sqrt: { domain: POSITIVE },
  rsqrt: { domain: POSITIVE, roundings: 4 },
  abs: {},
  square: {},
  reciprocal: { domain: POSITIVE, roundings: 3 },
  sin: {},
  cos: {},
  tanh: { roundings: 3 },
  sigmoid: {},
  relu: {},
  gelu: {},
  geluTanh: {},
  quickGelu: {},
  silu: {},
  sign: {},
  floor: {},
  clamp: { options: { alpha: -0.5, beta: 0.75 } },
  pow: { domain: POSITIVE, options: { alpha: 2.5 } },
};

// Infinities, NaN and the ends of the range are in test/special-values.test.ts.

/** Op names are the functions' but for the affine one, which users call scale. */
const opName = (f: UnaryName) => (f === "affine" ? "scale" : f);

function unaryTable(f: UnaryName, { domain = {}, options, flops = 1, roundings = 2 }: UnaryTraits): CaseTable {
  const shape = (...dims: number[]) => ({ x: { shape: dims, ...domain } });
  return {
    op: opName(f),
    tolerance: { f32: 2e-6, ...half(roundings) },
    reason:
      "functions within 4 units in the last place of f32, relative to the largest value; half types by their roundings",
    cases: [
      { name: "no element", inputs: shape(0), options },
      { name: "one element, no dimension", inputs: shape(), options },
      { name: "shorter than a vector", inputs: shape(7), options, dtypes: FLOATS },
      { name: "tail after whole vectors, two chunks", inputs: shape(31, 271), options, dtypes: FLOATS },
      { name: "feed-forward of a ViT-B, 197 tokens", inputs: shape(197, 3072), options, bench: true },
    ],
    cost: ({ inputs: { x } }, pass, dtype = "f32") => {
      const [n, bytes] = [sizeOf(x), bytesOf(x, dtype)];
      if (pass === "forward") return { flops: flops * n, bytes: 2 * bytes };
      // A slope that is the same everywhere is only multiplied by; any other is a function of x or y.
      return DERIVATIVE_OF[f] === "none" ? { flops: n, bytes: 2 * bytes } : { flops: 2 * n, bytes: 3 * bytes };
    },
  };
}

// ---------------------------------------------------------------------------------------------------------------------
// Binary

const pair = (name: string, a: InputSpec, b: InputSpec, extra: Partial<OpCase> = {}): OpCase => ({
  name,
  inputs: { a, b },
  ...extra,
});

const broadcasts = (b: (...shape: number[]) => InputSpec): OpCase[] => [
  pair("same shape, tail after whole vectors, two chunks", [61, 271], b(61, 271), { dtypes: FLOATS }),
  pair("no element", [0, 3], b(3)),
  pair("scalars without dimensions", [], b()),
  pair("scalar against a matrix", [5, 33], b(), { dtypes: FLOATS }),
  pair("a row for every row", [70, 65], b(65), { dtypes: FLOATS }),
  pair("a row of whole vectors for every row", [9, 64], b(64), { dtypes: FLOATS }),
  pair("a column of whole vectors for every column", [3, 5, 64], b(3, 1, 64), { dtypes: FLOATS }),
  pair("a column for every column", [70, 65], b(70, 1)),
  pair("an outer product", [17, 1], b(1, 19)),
  pair("a row against a column, one element wide", [9, 1, 4], b(5, 1)),
  pair("alternating dimensions", [3, 1, 5, 1, 2], b(1, 4, 1, 6, 1)),
  pair("six dimensions that do not merge", [2, 1, 3, 1, 2, 1], b(1, 3, 1, 2, 1, 4)),
  pair("rows longer than a chunk", [2, 16500], b(2, 1)),
  pair("bias of a BERT layer", [512, 768], b(768), { bench: true }),
  pair("residual of a BERT layer", [512, 768], b(512, 768), { bench: true }),
  pair("one element: the cost of a launch", [1], b(1), { bench: true }),
];

const normal = (...shape: number[]): InputSpec => ({ shape });
const positive = (...shape: number[]): InputSpec => ({ shape, fill: "positive" });

function broadcastSize(a: readonly number[], b: readonly number[]): number {
  const rank = Math.max(a.length, b.length);
  const size = (shape: readonly number[], i: number) => shape[i - rank + shape.length] ?? 1;
  return product(Array.from({ length: rank }, (_, i) => (size(a, i) === 1 ? size(b, i) : size(a, i))));
}

/** Operations of an element of y in the gradients of a and b, and whether those read a and b. */
interface BinaryGradient {
  readonly flops: number;
  readonly reads: boolean;
}

function binaryTable(
  op: string,
  b: (...shape: number[]) => InputSpec,
  roundings: number,
  gradient: BinaryGradient,
  extra: readonly OpCase[] = [],
): CaseTable {
  return {
    op,
    tolerance: { f32: 1e-6, ...half(roundings) },
    reason:
      "one operation, then sums of up to 16,500 terms in blocks for stretched inputs; half types by their roundings: the " +
      "stored quotient, products before the sum, the sum",
    cases: [...broadcasts(b), ...extra],
    cost: ({ inputs: { a, b } }, pass, dtype = "f32") => {
      const n = broadcastSize(shapeOf(a), shapeOf(b));
      const [operands, y] = [bytesOf(a, dtype) + bytesOf(b, dtype), n * BYTES[dtype]];
      if (pass === "forward") return { flops: n, bytes: operands + y };
      // The gradient of a stretched operand is a sum.
      const sums = [a, b].filter((operand) => sizeOf(operand) !== n).length;
      return { flops: (gradient.flops + sums) * n, bytes: y + (gradient.reads ? 2 : 1) * operands };
    },
  };
}

/** Equal elements share the gradient, which a difference cannot find. */
const ties = pair("ties", { shape: [3], values: [1, 2, -0] }, { shape: [3], values: [1, 3, 0] });

const compareTable = (op: string): CaseTable => ({
  op,
  tolerance: { f32: 0, bf16: 0, f16: 0 },
  reason: "0 or 1, exactly",
  cases: [
    pair(
      "ties, signed zeros, infinities and NaN",
      { shape: [6], values: [1, 2, -0, NaN, Infinity, 5] },
      {
        shape: [6],
        values: [1, 3, 0, NaN, Infinity, -Infinity],
      },
    ),
    pair("tail after whole vectors", [37, 29], [37, 29], { dtypes: FLOATS }),
    pair("a column against a row", [37, 1], [29]),
    pair(
      "integers",
      { shape: [9, 11], dtype: "i32", low: -2, high: 3 },
      { shape: [11], dtype: "i32", low: -2, high: 3 },
    ),
  ],
});

const condition = (...shape: number[]): InputSpec => ({ shape, dtype: "i32", low: 0, high: 2 });

const whereTable: CaseTable = {
  op: "where",
  tolerance: { f32: 1e-6, bf16: 8e-3, f16: 1e-3 },
  reason: "values are copied; gradients of stretched inputs are sums of up to 2,000 terms",
  cases: [
    { name: "same shapes", inputs: { condition: condition(33, 65), a: [33, 65], b: [33, 65] }, dtypes: FLOATS },
    { name: "mask of keys, scalar filler", inputs: { condition: condition(2, 1, 1, 40), a: [2, 3, 8, 40], b: [] } },
    { name: "all three stretched", inputs: { condition: condition(4, 1, 1), a: [1, 5, 1], b: [6] } },
    {
      name: "integers",
      inputs: {
        condition: condition(7, 9),
        a: { shape: [7, 9], dtype: "i32", low: -9, high: 9 },
        b: { shape: [9], dtype: "i32", low: 100, high: 200 },
      },
    },
  ],
};

export const tables: CaseTable[] = [
  ...(Object.keys(UNARY_TRAITS) as UnaryName[]).map((f) => unaryTable(f, UNARY_TRAITS[f])),
  binaryTable("add", normal, 1, { flops: 0, reads: false }),
  binaryTable("sub", normal, 1, { flops: 1, reads: false }),
  binaryTable("mul", normal, 2, { flops: 2, reads: true }),
  // dy / b, and times y, which is a / b.
  binaryTable("div", positive, 4, { flops: 3, reads: true }),
  // One comparison shares dy out, one product each.
  binaryTable("maximum", normal, 2, { flops: 3, reads: true }, [ties]),
  binaryTable("minimum", normal, 2, { flops: 3, reads: true }, [ties]),
  ...["equal", "notEqual", "less", "lessEqual", "greater", "greaterEqual"].map(compareTable),
  whereTable,
];
