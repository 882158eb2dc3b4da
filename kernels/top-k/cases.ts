import type { CaseTable, InputSpec, OpCase } from "../case-table.js";
import { BYTES, bytesOf, shapeOf, sizeOf } from "../cost.js";

const make = (name: string, x: InputSpec, k: number, extra: Partial<OpCase> = {}): OpCase => ({
  name,
  inputs: { x },
  options: { k },
  ...extra,
});

const all = { dtypes: ["f32", "bf16", "f16"] } as const;
const count = (T: number, V: number, f: (i: number) => number): InputSpec => ({
  shape: [T, V],
  values: Array.from({ length: T * V }, (_, i) => f(i)),
});
const nonsmooth = { notDerivative: { x: "ties: a central difference sees the other element, too" } };

/** Chosen values, indices and moved gradients are copies: nothing may differ. */
const tolerance = { f32: 0, bf16: 0, f16: 0 };
const reason = "selection copies: values and indices are exact";

export const tables: CaseTable[] = [
  {
    op: "topK",
    tolerance,
    reason,
    cases: [
      make("no row", [0, 5], 2),
      make("one of one", [1, 1], 1),
      make("all of a row: a sort", [3, 7], 7, all),
      make("router: 2 of 8 experts", [65, 8], 2, all),
      make("tail after whole vectors", [5, 83], 4, all),
      make(
        "equal values: the lowest indices",
        count(2, 40, (i) => i % 3),
        9,
        nonsmooth,
      ),
      make(
        "all equal, over two blocks",
        count(1, 32800, () => 1.5),
        5,
        nonsmooth,
      ),
      make(
        "zeros of both signs are equal",
        count(1, 6, (i) => (i % 2 ? 0 : -0)),
        3,
        nonsmooth,
      ),
      make(
        "rising: every value is inserted",
        count(1, 9000, (i) => i / 8),
        3,
      ),
      make("last block shorter than k", [2, 32771], 10, all),
      make(
        "masked values",
        count(2, 50, (i) => (i % 5 ? Number.NEGATIVE_INFINITY : i)),
        12,
        {
          notDerivative: { x: "differences of infinities" },
        },
      ),
      make("three dimensions", [2, 3, 20], 3),
      make("k of 128", [3, 20000], 128),
      make("sampling: 40 of a large vocabulary", [1, 152064], 40, { bench: true }),
      make("router: 8 of 64 experts", [100, 64], 8),
      make("router: 8 of 64 experts, 4,096 tokens", [4096, 64], 8, { bench: true }),
    ],
    // Values and indices; backward back to where the values stood.
    cost: ({ inputs: { x }, options }, _, dtype = "f32") => {
      const found = (sizeOf(x) / (shapeOf(x).at(-1) as number)) * (options?.k as number);
      return { flops: 0, bytes: bytesOf(x, dtype) + found * (BYTES[dtype] + BYTES.i32) };
    },
  },
  {
    op: "argmax",
    tolerance,
    reason,
    cases: [
      make("one element", [1, 1], 1),
      make("rows shorter than a vector", [5, 7], 1, all),
      make(
        "first of equal values, in different blocks",
        count(1, 70000, (i) => (i % 35000 === 32767 ? 3 : 1)),
        1,
      ),
      make("one dimension: a scalar index", [83], 1),
      make("greedy choice from a large vocabulary", [4, 152064], 1, { bench: true }),
    ],
    // Indices have no gradient.
    cost: ({ inputs: { x } }, pass, dtype = "f32") => {
      const rows = sizeOf(x) / (shapeOf(x).at(-1) as number);
      return { flops: 0, bytes: pass === "forward" ? bytesOf(x, dtype) + rows * BYTES.i32 : 0 };
    },
  },
];
