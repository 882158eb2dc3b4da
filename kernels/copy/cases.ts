import type { CaseTable, InputSpec, OpCase } from "../case-table.js";
import type { FloatDType } from "../contract.js";
import { bytesOf, bytesOfOne, product, shapeOf, sizeOf } from "../cost.js";

const FLOATS: readonly FloatDType[] = ["f32", "bf16", "f16"];
const EXACT = { tolerance: { f32: 0, bf16: 0, f16: 0 }, reason: "bits are copied" };
const SUMS = {
  tolerance: { f32: 1e-6, bf16: 8e-3, f16: 1e-3 },
  reason: "bits are copied; gradients of repeated elements are sums in blocks, rounded once",
};

const of = (name: string, x: InputSpec, options: OpCase["options"], extra: Partial<OpCase> = {}): OpCase => ({
  name,
  inputs: { x },
  options,
  ...extra,
});
const ints = (...shape: number[]): InputSpec => ({ shape, dtype: "i32", low: -1000, high: 1000 });

/** Every element is read once and written once, either way. */
const moves: CaseTable["cost"] = ({ inputs }, _, dtype = "f32") => ({
  flops: 0,
  bytes: 2 * Object.values(inputs).reduce((sum, spec) => sum + bytesOf(spec, dtype), 0),
});

/** Of x of one size and y of another: y copies parts of x, some several times; their gradients are added. */
const repeats =
  (size: (c: OpCase) => number): CaseTable["cost"] =>
  (c, pass, dtype = "f32") => {
    const { x } = c.inputs;
    const n = size(c);
    const bytes = bytesOf(x, dtype) + n * bytesOfOne(x, dtype);
    return { flops: pass === "backward" && n !== sizeOf(x) ? n : 0, bytes };
  };

/** Elements of a case's `name` for one place along the dimension of its options. */
function along(c: OpCase, name: string): number {
  const shape = shapeOf(c.inputs[name]);
  return product(shape.toSpliced(c.options?.dim as number, 1));
}

const permute: CaseTable = {
  op: "permute",
  ...EXACT,
  cases: [
    of("no dimension", [], { dims: [] }),
    of("nothing moves", [3, 4, 5], { dims: [0, 1, 2] }),
    of("matrix of whole tiles", [64, 96], { dims: [1, 0] }, { dtypes: FLOATS }),
    of("matrix with part tiles", [70, 33], { dims: [1, 0] }, { dtypes: FLOATS }),
    of("three columns", [50, 3], { dims: [1, 0] }),
    of("heads out of rows", [2, 5, 3, 7], { dims: [0, 2, 1, 3] }, { dtypes: FLOATS }),
    of("heads of whole vectors out of rows", [2, 5, 3, 32], { dims: [0, 2, 1, 3] }, { dtypes: FLOATS }),
    of("heads out of rows, keys transposed", [2, 37, 3, 40], { dims: [0, 2, 3, 1] }),
    of("six dimensions reversed", [2, 3, 2, 3, 2, 3], { dims: [5, 4, 3, 2, 1, 0] }),
    of("no element", [3, 0, 2], { dims: [2, 1, 0] }),
    of("integers", ints(20, 45), { dims: [1, 0] }),
    of("heads of a ViT-B", [8, 197, 12, 64], { dims: [0, 2, 1, 3] }, { bench: true }),
    of("weights of a BERT layer", [768, 3072], { dims: [1, 0] }, { bench: true }),
  ],
  cost: moves,
};

const concat: CaseTable = {
  op: "concat",
  ...EXACT,
  cases: [
    { name: "rows", inputs: { x0: [3, 5], x1: [1, 5], x2: [4, 5] }, options: { dim: 0 }, dtypes: FLOATS },
    { name: "columns, one of them single", inputs: { x0: [9, 1], x1: [9, 4], x2: [9, 2] }, options: { dim: -1 } },
    {
      name: "single columns only",
      inputs: { x0: [9, 1], x1: [9, 1], x2: [9, 1] },
      options: { dim: 1 },
      dtypes: FLOATS,
    },
    { name: "an empty one", inputs: { x0: [2, 3, 4], x1: [2, 0, 4], x2: [2, 1, 4] }, options: { dim: 1 } },
    { name: "integers", inputs: { x0: ints(2, 3), x1: ints(2, 2), x2: ints(2, 1) }, options: { dim: 1 } },
    {
      name: "image, question and prefix tokens",
      inputs: { x0: [8, 197, 768], x1: [8, 32, 768], x2: [8, 10, 768] },
      options: { dim: 1 },
      bench: true,
    },
  ],
  cost: moves,
};

const slice: CaseTable = {
  op: "slice",
  ...EXACT,
  cases: [
    of("first token of each row", [4, 7, 9], { dim: 1, start: 0, length: 1 }, { dtypes: FLOATS }),
    of("the end of the last dimension", [5, 11], { dim: -1, start: 8, length: 3 }, { dtypes: FLOATS }),
    of("one column", [5, 11], { dim: 1, start: 4, length: 1 }),
    of("everything", [5, 11], { dim: 0, start: 0, length: 5 }),
    of("nothing", [5, 11], { dim: 0, start: 5, length: 0 }),
    of("integers", ints(6, 4), { dim: 0, start: 2, length: 3 }),
  ],
  cost: (c, pass, dtype = "f32") => {
    const { x } = c.inputs;
    const taken = along(c, "x") * (c.options?.length as number) * bytesOfOne(x, dtype);
    return { flops: 0, bytes: taken + (pass === "forward" ? taken : bytesOf(x, dtype)) };
  },
};

const pad: CaseTable = {
  op: "pad",
  ...EXACT,
  cases: [
    of("both sides of the last dimension", [5, 11], { dim: -1, before: 2, after: 3 }, { dtypes: FLOATS }),
    of("whole vectors on both sides", [3, 4, 16], { dim: 1, before: 1, after: 2 }, { dtypes: FLOATS }),
    of("rows in front", [3, 4, 5], { dim: 1, before: 2, after: 0 }, { dtypes: FLOATS }),
    of("nothing to add", [3, 4], { dim: 0, before: 0, after: 0 }),
    of("an empty tensor becomes zeros", [2, 0, 3], { dim: 1, before: 1, after: 1 }),
    of("integers", ints(3, 4), { dim: 0, before: 1, after: 1 }),
  ],
  cost: (c, pass, dtype = "f32") => {
    const { x } = c.inputs;
    const { before, after } = c.options as { before: number; after: number };
    const zeros = pass === "forward" ? along(c, "x") * (before + after) * bytesOfOne(x, dtype) : 0;
    return { flops: 0, bytes: 2 * bytesOf(x, dtype) + zeros };
  },
};

const repeated = (K: number, V: number): InputSpec => ({
  shape: [K],
  dtype: "i32",
  values: Array.from({ length: K }, (_, k) => (k * k + 3) % V),
});

const indexSelect: CaseTable = {
  op: "indexSelect",
  ...SUMS,
  cases: [
    {
      name: "rows, some several times",
      inputs: { x: [13, 9], index: repeated(40, 13) },
      options: { dim: 0 },
      dtypes: FLOATS,
    },
    { name: "rows over two blocks of columns", inputs: { x: [5, 300], index: repeated(9, 5) }, options: { dim: 0 } },
    {
      name: "rows of whole vectors, some over forty times",
      inputs: { x: [5, 24], index: repeated(200, 4) },
      options: { dim: 0 },
      dtypes: FLOATS,
    },
    { name: "columns", inputs: { x: [6, 13], index: repeated(20, 13) }, options: { dim: -1 } },
    { name: "the middle dimension", inputs: { x: [3, 8, 5], index: repeated(6, 8) }, options: { dim: 1 } },
    {
      name: "one row, a thousand times",
      inputs: { x: [2, 3], index: { shape: [1000], dtype: "i32", low: 1, high: 2 } },
      options: { dim: 0 },
    },
    { name: "no index", inputs: { x: [4, 3], index: { shape: [0], dtype: "i32", values: [] } }, options: { dim: 0 } },
    { name: "integers", inputs: { x: ints(7, 2), index: repeated(5, 7) }, options: { dim: 0 } },
    {
      name: "word embeddings of BERT, 1,024 tokens",
      inputs: { x: [30522, 768], index: { shape: [1024], dtype: "i32", low: 0, high: 30522 } },
      options: { dim: 0 },
      bench: true,
    },
  ],
  cost: (c, pass, dtype = "f32") => {
    const { x, index } = c.inputs;
    const n = along(c, "x") * sizeOf(index);
    const [each, all] = [n * bytesOfOne(x, dtype), bytesOf(x, dtype)];
    return pass === "forward"
      ? { flops: 0, bytes: Math.min(each, all) + bytesOf(index, dtype) + each }
      : { flops: n, bytes: each + bytesOf(index, dtype) + all };
  },
};

const indexAdd: CaseTable = {
  op: "indexAdd",
  ...SUMS,
  cases: [
    {
      name: "rows, some several times, some never",
      inputs: { base: [13, 9], index: repeated(40, 13), x: [40, 9] },
      options: { dim: 0 },
      dtypes: FLOATS,
    },
    { name: "columns", inputs: { base: [6, 13], index: repeated(20, 13), x: [6, 20] }, options: { dim: 1 } },
    {
      name: "no index",
      inputs: { base: [4, 3], index: { shape: [0], dtype: "i32", values: [] }, x: [0, 3] },
      options: { dim: 0 },
    },
  ],
  cost: ({ inputs: { base, index, x } }, pass, dtype = "f32") => {
    const moved = bytesOf(x, dtype) + bytesOf(index, dtype);
    // The gradient of base is dy itself.
    return pass === "forward"
      ? { flops: sizeOf(x), bytes: 2 * bytesOf(base, dtype) + moved }
      : { flops: 0, bytes: Math.min(bytesOf(x, dtype), bytesOf(base, dtype)) + moved };
  },
};

const expand: CaseTable = {
  op: "expand",
  ...SUMS,
  cases: [
    of("a number", [], { shape: [5, 7] }, { dtypes: FLOATS }),
    of("a row", [33], { shape: [9, 33] }, { dtypes: FLOATS }),
    of("a column", [9, 1], { shape: [9, 33] }, { dtypes: FLOATS }),
    of("class token of a ViT", [1, 1, 48], { shape: [6, 1, 48] }),
    of("alternating dimensions", [3, 1, 5, 1], { shape: [2, 3, 4, 5, 6] }),
    of("to no element", [1, 3], { shape: [0, 3] }),
    of("integers", ints(3, 1), { shape: [3, 4] }),
  ],
  cost: repeats((c) => product(c.options?.shape as readonly number[])),
};

const repeatInterleave: CaseTable = {
  op: "repeatInterleave",
  ...SUMS,
  cases: [
    of("a batch for its beams", [3, 5, 4], { dim: 0, repeats: 4 }, { dtypes: FLOATS }),
    of("the last dimension", [3, 5], { dim: -1, repeats: 3 }, { dtypes: FLOATS }),
    of("once", [3, 5], { dim: 0, repeats: 1 }),
    of("integers", ints(2, 3), { dim: 1, repeats: 2 }),
  ],
  cost: repeats((c) => sizeOf(c.inputs.x) * (c.options?.repeats as number)),
};

export const tables: CaseTable[] = [permute, concat, slice, pad, indexSelect, indexAdd, expand, repeatInterleave];
