import type { CaseTable, InputSpec, OpCase } from "../case-table.js";
import { BYTES, bytesOf, shapeOf, sizeOf } from "../cost.js";

const make = (name: string, V: number, C: number, ids: InputSpec, extra: Partial<OpCase> = {}): OpCase => ({
  name,
  inputs: { weight: [V, C], ids },
  options: {},
  ...extra,
});

const padding = { notDerivative: { weight: "look-ups of the padding row are left out: not the derivative" } };

const random = (V: number, ...shape: number[]): InputSpec => ({ shape, dtype: "i32", low: 0, high: V });
const given = (...values: number[]): InputSpec => ({ shape: [values.length], dtype: "i32", values });

export const table: CaseTable = {
  op: "embedding",
  tolerance: { f32: 2e-6, bf16: 4e-3, f16: 5e-4 },
  reason:
    "look-ups are copies; a row's gradient is an f32 sum of as many terms as it has look-ups, at most 600 here, rounded " +
    "once to a half type (2^-9, 2^-12)",
  cases: [
    make("no look-up: the gradient is zero", 3, 7, given()),
    make("no column", 3, 0, given(0, 2)),
    make("one row, one look-up", 1, 1, given(0)),
    make("first and last row, some never looked up", 5, 7, given(4, 0, 4), { dtypes: ["f32", "bf16", "f16"] }),
    make("one row looked up by all", 3, 65, given(...new Array<number>(600).fill(1)), {
      dtypes: ["f32", "bf16", "f16"],
    }),
    make("padding row: read, but no gradient", 6, 20, given(0, 3, 0, 5, 3, 3), {
      options: { paddingIndex: 0 },
      ...padding,
    }),
    make("padding row counted from the end", 6, 9, given(5, 1, 5, 5), { options: { paddingIndex: -1 }, ...padding }),
    make("only padding: the gradient is zero", 4, 8, given(2, 2), { options: { paddingIndex: 2 }, ...padding }),
    make("ids of two bytes, batch of sequences", 300, 33, random(300, 4, 50), { dtypes: ["f32", "bf16"] }),
    make("ids of three bytes", 70000, 2, given(69999, 65536, 256, 65535, 255, 65536, 0)),
    make("256 rows: one past the last id no longer fits a byte", 256, 4, random(256, 40)),
    make("token types of BERT: two rows, many look-ups", 2, 16, random(2, 500)),
    make("few ids, columns over two cells and a tail", 3, 150, random(3, 400), { dtypes: ["f32", "bf16"] }),
    make("MISS-small question, batch 8", 30522, 384, random(30522, 8, 32), { bench: true }),
    make("2,000 look-ups", 30522, 384, random(30522, 2000), { bench: true }),
  ],
  cost: ({ inputs: { weight, ids } }, pass, dtype = "f32") => {
    const [V, C] = shapeOf(weight);
    const T = sizeOf(ids);
    const looked = T * C * BYTES[dtype];
    return pass === "forward"
      ? { flops: 0, bytes: Math.min(T, V) * C * BYTES[dtype] + bytesOf(ids, dtype) + looked }
      : { flops: T * C, bytes: looked + bytesOf(ids, dtype) + bytesOf(weight, dtype) };
  },
};
