import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readFloat32, toFloat32, toInt32 } from "../../engine/io/convert.js";
import { memoryFile } from "../../engine/io/file-source.js";
import { flattenStateDict, openPytorch, openPytorchCheckpoint, type TreeValue } from "../../engine/io/pytorch.js";
import { type StoredTensor, tiedTensors } from "../../engine/io/stored-tensor.js";
import { expectFormatError } from "./support/expect-error.js";
import { global, type Picklable, reduce, tuple } from "./support/pickle-writer.js";
import { spySource } from "./support/spy-source.js";
import { dict, storage, storageId, tensor, torchLegacy, torchZip, twelve } from "./support/torch-file.js";

const count = (n: number) => Float32Array.from({ length: n }, (_, i) => i);
const open = (bytes: Uint8Array) => openPytorch(memoryFile("m.pth", bytes));
const whole = tensor(storageId(twelve), 0, [3, 4], [4, 1]);

/** Values of the tensors in a flat state dict. */
async function valuesOf(bytes: Uint8Array): Promise<Record<string, number[]>> {
  const { tree } = await open(bytes);
  const values: Record<string, number[]> = {};
  for (const [name, stored] of flattenStateDict(tree)) values[name] = [...(await readFloat32(stored))];
  return values;
}

/** fixtures/make.py: written by Python's pickle and zipfile. */
describe.each(["stored-protocol-2", "deflated-protocol-4", "zip64-protocol-5", "legacy"])("Python's %s.pth", (name) => {
  const bytes = readFileSync(`test/io/fixtures/${name}.pth`);

  test("tensors: tied, transposed, strided, expanded, scalar, empty", async () => {
    const reader = await openPytorchCheckpoint(memoryFile("t.pth", bytes));
    const quarter = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((i) => i / 4);
    const read = async (key: string) => [...(await readFloat32(reader.get(key)))];
    expect(await read("embed.weight")).toEqual(quarter);
    expect(await read("head.weight")).toEqual(quarter);
    expect(await read("transposed")).toEqual([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11].map((i) => i / 4));
    expect(await read("column")).toEqual([1, 5, 9].map((i) => i / 4));
    expect(await read("expanded")).toEqual([5, 6, 7, 5, 6, 7].map((i) => i / 4));
    expect(await read("scalar")).toEqual([11 / 4]);
    expect(await read("empty")).toEqual([]);
    expect(await read("steps")).toEqual([7, -1, 2 ** 40]);
    expect(reader.get("transposed").shape).toEqual([4, 3]);
    expect(tiedTensors(reader.names.map(reader.get))).toEqual([["embed.weight", "head.weight"]]);
  });

  test("everything else in the tree", async () => {
    const tree = (await open(bytes)).tree as Map<string, TreeValue>;
    expect(tree.get("epoch")).toBe(3);
    const expected: [TreeValue, TreeValue][] = [
      ["lr", 1e-4],
      ["name", "tiny \u00e9\u4e2d"],
      ["tags", ["a", "b"]],
      ["seed", 2n ** 70n],
      ["key", Uint8Array.of(0, 255)],
      ["none", new Uint8Array(0)],
      ["flags", [true, false, null]],
      ["kinds", [1]],
      [5, -6],
    ];
    expect(tree.get("config")).toEqual(new Map(expected));
  });
});

describe("zip files", () => {
  const expected = { w: [...count(12)] };

  test.each([
    {},
    { zip64: true },
    { deflate: true },
    { comment: "a comment" },
    { padding: 63 },
    { zip64: true, deflate: true },
  ])("layout %o", async (layout) => {
    expect(await valuesOf(torchZip(dict({ w: whole }), [twelve], layout))).toEqual(expected);
  });

  test("opening reads no values, and a tensor only its own part of a storage", async () => {
    const large = storage("0", "FloatStorage", count(100_000));
    const row = tensor(storageId(large), 500, [10], [1]);
    const source = spySource(torchZip(dict({ w: row, all: tensor(storageId(large), 0, [100_000], [1]) }), [large]));
    const { tree } = await openPytorch(source);
    // The end of the file is searched for the directory within the 64 KiB that a comment may have.
    expect(source.seen.bytes).toBeLessThan(67_000);
    const before = source.seen.bytes;
    const stored = flattenStateDict(tree).get("w") as StoredTensor;
    expect([...(await readFloat32(stored))]).toEqual([...count(510)].slice(500));
    expect(source.seen.bytes - before).toBe(40 + 30);
  });

  test("every dtype of torch", async () => {
    const types = ["DoubleStorage", "HalfStorage", "BFloat16Storage", "LongStorage", "IntStorage", "ShortStorage"];
    const widths = [8, 2, 2, 8, 4, 2, 1, 1, 1];
    const storages = [...types, "CharStorage", "ByteStorage", "BoolStorage"].map((type, i) => {
      return { key: `${i}`, type, elements: 1, bytes: new Uint8Array(widths[i]).fill(1) };
    });
    const tree = new Map<Picklable, Picklable>(storages.map((s) => [s.type, tensor(storageId(s), 0, [1], [1])]));
    const reader = await openPytorchCheckpoint(memoryFile("m", torchZip(tree, storages)));
    const dtypes = reader.names.map((name) => reader.get(name).dtype);
    expect(dtypes).toEqual(["F64", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"]);
    for (const name of reader.names) expect((await reader.get(name).read()).every((byte) => byte === 1)).toBe(true);
  });

  test("tensors of an untyped storage bring their dtype", async () => {
    const untyped = { key: "0", type: "UntypedStorage", elements: 4, bytes: Uint8Array.of(1, 0, 255, 255) };
    const rebuild = global("torch._utils", "_rebuild_tensor_v3");
    const w = reduce(rebuild, storageId(untyped), 1, tuple(1), tuple(1), false, new Map(), global("torch", "uint16"));
    const { tree } = await open(torchZip(dict({ w }), [untyped]));
    const stored = flattenStateDict(tree).get("w") as StoredTensor;
    expect([...toInt32(await stored.read(), stored.dtype)]).toEqual([65535]);
  });

  test("parameters, sizes, devices, dtypes and tensors with attributes", async () => {
    const withState = reduce(
      global("torch._tensor", "_rebuild_from_type_v2"),
      global("torch._utils", "_rebuild_tensor_v2"),
      global("torch.nn.parameter", "Parameter"),
      tuple(storageId(twelve), 0, tuple(2), tuple(1), false, new Map()),
      dict({ note: "dropped" }),
    );
    const tree = dict({
      w: withState,
      size: reduce(global("torch", "Size"), [2, 3]),
      device: reduce(global("torch", "device"), "cuda", 1),
      dtype: global("torch", "bfloat16"),
    });
    const read = (await open(torchZip(tree, [twelve]))).tree as Map<string, TreeValue>;
    const stored = read.get("w") as StoredTensor;
    expect([...toFloat32(await stored.read(), stored.dtype)]).toEqual([0, 1]);
    expect([read.get("size"), read.get("device"), read.get("dtype")]).toEqual([[2, 3], "cuda:1", "torch.bfloat16"]);
  });
});

test("any view is read as its definition says: element (i, j, ...) at offset + i strides[0] + j strides[1] + ...", async () => {
  const types = fc.constantFrom<[string, number]>(
    ["ByteStorage", 1],
    ["HalfStorage", 2],
    ["FloatStorage", 4],
    ["LongStorage", 8],
  );
  const dims = fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat({ max: 5 })), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(types, dims, fc.nat({ max: 3 }), fc.boolean(), async ([type, width], list, offset, deflate) => {
      const bytes = Uint8Array.from({ length: 80 * width }, (_, i) => (i * 37) % 251);
      const from = { key: "0", type, elements: 80, bytes };
      const [shape, strides] = [list.map(([size]) => size), list.map(([, stride]) => stride)];
      const positions = list.reduce<number[]>(
        (starts, [size, stride]) =>
          starts.flatMap((start) => Array.from({ length: size }, (_, i) => start + i * stride)),
        [offset],
      );
      const { tree } = await open(
        torchZip(dict({ w: tensor(storageId(from), offset, shape, strides) }), [from], { deflate }),
      );
      const stored = flattenStateDict(tree).get("w") as StoredTensor;
      const expected = positions.flatMap((at) => [...bytes.subarray(at * width, (at + 1) * width)]);
      expect([...(await stored.read())]).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

describe("legacy files", () => {
  test("views of a storage, and the order of the storages in the file", async () => {
    const other = storage("9", "FloatStorage", Float32Array.of(-1, -2));
    const view = tensor(storageId(twelve, tuple("v", 4, 6)), 1, [2, 2], [3, 1]);
    const tree = dict({
      w: tensor(storageId(twelve, null), 0, [12], [1]),
      view,
      other: tensor(storageId(other, null), 0, [2], [1]),
    });
    const bytes = torchLegacy(tree, [other, twelve]);
    expect(await valuesOf(bytes)).toEqual({ w: [...count(12)], view: [5, 6, 8, 9], other: [-1, -2] });
  });

  test("pickles longer than the first read", async () => {
    const filler = "x".repeat(3_000_000);
    const bytes = torchLegacy(dict({ model: dict({ w: tensor(storageId(twelve, null), 0, [12], [1]) }), filler }), [
      twelve,
    ]);
    expect(await valuesOf(bytes)).toEqual({ w: [...count(12)] });
  });

  test.each<[string, Uint8Array, RegExp]>([
    [
      "a storage that is not listed",
      torchLegacy(dict({ w: tensor(storageId(twelve, null), 0, [12], [1]) }), []),
      /storage "0" is missing/,
    ],
    ["a storage that nobody uses", torchLegacy(dict({}), [twelve]), /storage "0" is listed, but not used/],
    [
      "a storage listed twice",
      torchLegacy(dict({ w: tensor(storageId(twelve, null), 0, [12], [1]) }), [twelve, twelve]),
      /not used once/,
    ],
    [
      "values cut short",
      torchLegacy(dict({ w: tensor(storageId(twelve, null), 0, [12], [1]) }), [twelve]).slice(0, -1),
      /storage "0" of 48 bytes/,
    ],
    [
      "another size in the pickle",
      torchLegacy(dict({ w: tensor(storageId({ ...twelve, elements: 13 }), 0, [1], [1]) }), [twelve]),
      /52 bytes has 48/,
    ],
    [
      "a view outside",
      torchLegacy(dict({ w: tensor(storageId(twelve, tuple("v", 8, 5)), 0, [1], [1]) }), [twelve]),
      /view lies outside/,
    ],
    [
      "a big-endian machine",
      torchLegacy(dict({}), [], { little_endian: false }),
      /not saved on a little-endian machine/,
    ],
  ])("%s", async (_, bytes, message) => {
    await expectFormatError(() => open(bytes), message);
  });
});

describe("flattenStateDict", () => {
  const flatten = async (tree: Picklable, key?: string) => [
    ...flattenStateDict((await open(torchZip(tree, [twelve]))).tree, key).keys(),
  ];

  test("finds the state dict", async () => {
    expect(await flatten(dict({ w: whole, epoch: 1 }))).toEqual(["w"]);
    expect(await flatten(dict({ model: dict({ w: whole }), optimizer: dict({ state: dict({}) }) }))).toEqual(["w"]);
    expect(await flatten(dict({ state_dict: dict({ "a.b": whole, c: whole }) }))).toEqual(["a.b", "c"]);
    expect(await flatten(dict({ ema: dict({ w: whole }), model: dict({}) }), "ema")).toEqual(["w"]);
    expect(await flatten(dict({ model: dict({ encoder: dict({ w: whole }), w: whole }) }))).toEqual(["encoder.w", "w"]);
  });

  test("says what is there when it finds none", async () => {
    await expectFormatError(
      () => flatten(dict({ ema: dict({ w: whole }), step: 1 })),
      /no state dict.*keys are ema, step/,
    );
    await expectFormatError(() => flatten(dict({ w: whole }), "model"), /no dict called "model".*keys are w/);
    await expectFormatError(() => flatten([whole]), /no dict at its top/);
    await expectFormatError(
      () => flatten(dict({ "a.b": whole, a: dict({ b: whole }) })),
      /two tensors are called "a.b"/,
    );
  });
});
