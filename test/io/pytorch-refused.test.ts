import { describe, expect, test } from "vitest";
import { memoryFile } from "../../engine/io/file-source.js";
import { flattenStateDict, openPytorch } from "../../engine/io/pytorch.js";
import { expectFormatError } from "./support/expect-error.js";
import { global, type Picklable, reduce } from "./support/pickle-writer.js";
import { dict, storage, storageId, tensor, torchZip, twelve } from "./support/torch-file.js";

const open = (bytes: Uint8Array) => openPytorch(memoryFile("m.pth", bytes));

describe("PyTorch files that are refused", () => {
  const bad = (offset: number, shape: number[], strides: number[]) => tensor(storageId(twelve), offset, shape, strides);

  test.each<[string, Picklable, RegExp]>([
    [
      "code",
      reduce(global("os", "system"), "true"),
      /pickle asks for os\.system; only tensors, numbers, strings and containers are allowed/,
    ],
    ["eval", reduce(global("builtins", "eval"), "1"), /asks for builtins\.eval/],
    ["a prototype's name", global("constructor", "prototype"), /asks for constructor\.prototype/],
    ["classes of the model", global("models.miss", "MISS"), /asks for models\.miss\.MISS/],
    ["numpy", global("numpy.core.multiarray", "scalar"), /asks for numpy\.core\.multiarray\.scalar/],
    [
      "complex storages",
      tensor(storageId({ ...twelve, type: "ComplexFloatStorage" }), 0, [1], [1]),
      /torch\.ComplexFloatStorage/,
    ],
    ["a function as a value", global("collections", "OrderedDict"), /collections\.OrderedDict stands as a value/],
    ["a storage as a value", storageId(twelve), /a storage without a tensor stands as a value/],
    [
      "a storage that is not there",
      tensor(storageId({ ...twelve, key: "7" }), 0, [1], [1]),
      /storage "7" of 48 bytes is missing/,
    ],
    ["a storage that is larger", tensor(storageId({ ...twelve, elements: 13 }), 0, [1], [1]), /52 bytes has 48/],
    ["an offset outside", bad(12, [1], [1]), /does not fit into its storage of 48 bytes/],
    ["a shape outside", bad(0, [3, 5], [5, 1]), /does not fit/],
    ["strides outside", bad(0, [2, 2], [11, 1]), /does not fit/],
    ["huge strides", bad(0, [2, 2], [2 ** 52, 2 ** 52]), /does not fit/],
    ["shape and strides of two ranks", bad(0, [2, 2], [1]), /does not fit/],
    ["negative strides", bad(4, [2], [-1]), /no proper shape/],
    ["a fractional size", bad(0, [1.5], [1]), /no proper shape/],
    ["65 dimensions", bad(0, new Array(65).fill(1), new Array(65).fill(1)), /no proper shape/],
    ["terabytes out of one number", bad(0, [2 ** 40], [0]), /repeats a storage of 48 bytes too often/],
    ["a tensor of a list", tensor([1, 2], 0, [2], [1]), /something that is no storage/],
  ])("%s", async (_, value, message) => {
    const error = await expectFormatError(() => open(torchZip(dict({ value }), [twelve])), message);
    expect(error.file).toBe("m.pth");
  });

  test("many expanded tensors that are each small enough", async () => {
    const tree = dict(Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`w${i}`, bad(0, [2 ** 23], [0])])));
    await expectFormatError(() => open(torchZip(tree, [twelve])), /too often/);
  });

  test("little that inflates to much: a pickle, a storage", async () => {
    const zeros = new Uint8Array(2 ** 25);
    const deflate = { deflate: true };
    await expectFormatError(
      () => open(torchZip(zeros, [], deflate)),
      /its pickle has 33554432 bytes, 16777216 are allowed/,
    );
    const many = storage("0", "FloatStorage", new Float32Array(2 ** 24));
    const file = await open(torchZip(dict({ w: tensor(storageId(many), 0, [2 ** 24], [1]) }), [many], deflate));
    await expectFormatError(
      () => flattenStateDict(file.tree).get("w")?.read(),
      /67108864 bytes of zip entry "a\/data\/0" in a file of \d+, of which at most \d+ are taken/,
    );
  });

  test("a big-endian file and TorchScript", async () => {
    await expectFormatError(() => open(torchZip(dict({}), [], { byteorder: "big" })), /byte order is "big"/);
    const extra = [{ name: "a/constants.pkl", bytes: new Uint8Array(1) }];
    await expectFormatError(() => open(torchZip(dict({}), [], { extra })), /TorchScript program.*torch\.jit\.load/);
  });
});
