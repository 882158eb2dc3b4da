import type { CaseTable, OpCase } from "../case-table.js";
import { bytesOf, shapeOf, sizeOf } from "../cost.js";

type Options = { start?: number; theta?: number; rotaryDim?: number; interleaved?: boolean };

const make = (name: string, x: readonly number[], options: Options = {}, extra: Partial<OpCase> = {}): OpCase => ({
  name,
  ...extra,
  inputs: { x, ...extra.inputs },
  options,
});

const all = { dtypes: ["f32", "bf16", "f16"] } as const;

export const table: CaseTable = {
  op: "rotary",
  tolerance: { f32: 5e-7, bf16: 4e-3, f16: 5e-4 },
  reason: "two products of f32 with a cosine rounded once, whatever the angle; half types round once (2^-9, 2^-12)",
  cases: [
    make("no token", [2, 0, 3, 8]),
    make("position 0: nothing turns", [2, 1, 3, 4]),
    make("one pair", [1, 5, 1, 2], { interleaved: true }),
    make("halves shorter than a vector", [2, 5, 3, 8], {}, all),
    make("halves of a vector and a tail", [1, 9, 2, 40], {}, all),
    make("neighbours, rows shorter than a vector (llama2.c)", [2, 5, 3, 8], { interleaved: true }, all),
    make("neighbours, a tail after whole vectors", [1, 9, 2, 40], { interleaved: true }, all),
    make("partial: a quarter of the head turns (StableLM)", [2, 7, 2, 32], { rotaryDim: 8 }, all),
    make("partial, neighbours (GPT-J)", [2, 7, 2, 24], { rotaryDim: 10, interleaved: true }),
    make("partial: the longest width that leaves one pair alone", [1, 4, 2, 20], { rotaryDim: 18 }),
    make("no width: all copied", [1, 3, 2, 6], { rotaryDim: 0 }),
    make("a later start", [2, 6, 2, 16], { start: 37 }),
    make("positions near 100,000: angles of 16,000 turns", [1, 12, 1, 64], { start: 99990 }),
    make(
      "given positions, out of order and repeated",
      [2, 4, 2, 16],
      {},
      {
        inputs: { positions: { shape: [2, 4], dtype: "i32", values: [3, 1, 1, 0, 90000, 17, 2, 5] } },
      },
    ),
    make(
      "negative positions",
      [1, 4, 2, 16],
      {},
      { inputs: { positions: { shape: [1, 4], dtype: "i32", values: [-1, -17, 2, -90000] } } },
    ),
    make("theta 1: every pair turns alike", [1, 7, 2, 16], { theta: 1, start: 5 }),
    make(
      "given positions, neighbours, theta 500,000",
      [3, 5, 2, 12],
      { interleaved: true, theta: 5e5 },
      {
        inputs: { positions: { shape: [3, 5], dtype: "i32", low: 0, high: 4096 } },
      },
    ),
    make("stories260k prefill", [1, 256, 8, 8], { interleaved: true }, { bench: true }),
    make("language model prefill", [1, 512, 32, 64], {}, { bench: true }),
    make("language model decode", [1, 1, 32, 80], { rotaryDim: 32, start: 1000 }, { bench: true }),
  ],
  // Two products and a sum for each element that turns.
  cost: ({ inputs: { x, positions }, options }, _, dtype = "f32") => {
    const D = shapeOf(x).at(-1) as number;
    const { rotaryDim = D } = options as Options;
    return {
      flops: D === 0 ? 0 : 3 * (sizeOf(x) / D) * rotaryDim,
      bytes: 2 * bytesOf(x, dtype) + bytesOf(positions, dtype),
    };
  },
};
