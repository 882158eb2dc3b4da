import { describe, expect, test } from "vitest";
import type { InputSpec, OpCase } from "../../../kernels/case-table.js";
import { shapeOf, sizeOf } from "../../../kernels/cost.js";
import { tables } from "../../support/ops.js";
import { elementwise } from "./elementwise.js";
import { experts } from "./experts.js";
import { moves } from "./moves.js";
import { attentions, loraMatmul, matmul, quantizedMatmul } from "./products.js";
import * as rows from "./rows.js";
import { type Counter, Tally } from "./tally.js";

/** Each op that has a cost, in loops that count. */
const counters: Readonly<Record<string, Counter>> = {
  ...elementwise,
  ...moves,
  ...experts,
  ...attentions,
  ...rows,
  matmul,
  loraMatmul,
  quantizedMatmul,
};

/** Where a tensor is empty, or a dimension that is summed over, there is nothing to tell. */
const isEmpty = (c: OpCase) =>
  Object.values(c.inputs).some((spec) => sizeOf(spec) === 0) || ((c.options?.shape ?? []) as number[]).includes(0);

/** Operations of a case that loops in JavaScript count in a moment. */
const LIMIT = 400_000;

/** Cases outside the conventions of `Cost`, with what is not counted there. */
const OUTSIDE: readonly (readonly [RegExp, string])[] = [
  [/dropped|everything dropped/, "tokens whose choices are dropped are taken to be read"],
  [/paddingIndex/, "look-ups of a padding row are taken to get a gradient"],
];

/** Indices are taken to be different ones along the dimension that they choose from, until there are no more. */
function withoutRepetitions(c: OpCase, op: string): OpCase {
  const drawn = (name: string, of: string, dim: number, along = 0): OpCase => {
    const shape = shapeOf(c.inputs[name]);
    const high = shapeOf(c.inputs[of]).at(dim) as number;
    const d = (along + shape.length) % shape.length;
    const inner = shape.slice(d + 1).reduce((n, size) => n * size, 1);
    const values = Array.from({ length: sizeOf(c.inputs[name]) }, (_, i) => (Math.floor(i / inner) % shape[d]) % high);
    return { ...c, inputs: { ...c.inputs, [name]: { shape: [...shape], dtype: "i32", values } } };
  };
  const dim = c.options?.dim as number;
  if (op === "indexSelect") return drawn("index", "x", dim);
  if (op === "indexAdd") return drawn("index", "base", dim);
  if (op === "gather") return drawn("index", "x", dim, dim);
  if (op === "scatterAdd") return drawn("index", "base", dim, dim);
  if (op !== "embedding") return c;
  const ids = { shape: [sizeOf(c.inputs.ids)], dtype: "i32", low: 0, high: shapeOf(c.inputs.weight)[0] } as const;
  return { ...c, inputs: { ...c.inputs, ids } };
}

const outside = (c: OpCase) =>
  OUTSIDE.find(([pattern]) => pattern.test(c.name) || Object.keys(c.options ?? {}).some((key) => pattern.test(key)));

const elementsOf = (c: OpCase) => Object.values(c.inputs).reduce((n: number, spec: InputSpec) => n + sizeOf(spec), 0);

test("every op with a cost is counted", () => {
  const costly = tables.filter(({ table }) => table.cost).map(({ table }) => table.op);
  expect(Object.keys(counters).sort()).toEqual(costly.sort());
});

describe.each(tables.filter(({ table }) => table.cost).map(({ table }) => [table.op, table] as const))(
  "%s",
  (op, table) => {
    const small = table.cases.filter(
      (c) =>
        !outside(c) && !isEmpty(c) && elementsOf(c) < LIMIT / 8 && (table.cost?.(c, "backward").flops ?? 0) < LIMIT,
    );
    test("has small cases", () => expect(small.length).toBeGreaterThan(0));

    test.each(["forward", "backward"] as const)("%s: operations and bytes of every small case", (pass) => {
      for (const original of small) {
        const c = withoutRepetitions(original, op);
        for (const dtype of ["f32", "bf16"] as const) {
          const t = new Tally(c, dtype);
          counters[op][pass](t);
          expect({ case: c.name, dtype, ...table.cost?.(c, pass, dtype) }).toEqual({
            ...{ case: c.name, dtype, flops: t.flops, bytes: t.bytes },
          });
        }
      }
    });
  },
);

test("f32 is the storage type where none is said", () => {
  for (const { table } of tables)
    for (const c of table.cases) expect(table.cost?.(c, "forward")).toEqual(table.cost?.(c, "forward", "f32"));
});
