import { describe, expect, test } from "vitest";
import { unpickle } from "../../engine/io/pickle.js";
import { PickleFunction, type PickleHost } from "../../engine/io/pickle-host.js";
import { torchHost } from "../../engine/io/torch-globals.js";
import { concat } from "./support/collect.js";
import { expectFormatError } from "./support/expect-error.js";
import { global, type Picklable, pickle, reduce, u32 } from "./support/pickle-writer.js";

const host: PickleHost = torchHost({ name: "p.pkl", size: 0 }, () => {
  throw new Error("no storages here");
});
const load = (bytes: Uint8Array) => unpickle(bytes, 0, host).value;
const ops = (...parts: ArrayLike<number>[]) => concat([[0x80, 2], ...parts]);

const MARK = [0x28];
const EMPTY_LIST = [0x5d];
const EMPTY_TUPLE = [0x29];
const APPEND = [0x61];
const APPENDS = [0x65];
const TUPLE1 = [0x85];
const STOP = [0x2e];

describe("values", () => {
  test.each<[Picklable, unknown]>([
    [null, null],
    [true, true],
    [0, 0],
    [-1, -1],
    [127, 127],
    [128, 128],
    [-129, -129],
    [2 ** 53 - 1, 2 ** 53 - 1],
    [2n ** 53n, 2n ** 53n],
    [-(2n ** 64n), -(2n ** 64n)],
    [0.1, 0.1],
    ["\ud83d\ude00", "\ud83d\ude00"],
    [
      [1, [2]],
      [1, [2]],
    ],
  ])("%o", (value, expected) => {
    expect(load(pickle(value))).toEqual(expected);
  });

  test("one object met twice stays one", () => {
    const shared = [1];
    const [a, b] = load(pickle([shared, shared])) as unknown[];
    expect(a).toBe(b);
  });

  test("a key called __proto__ is a key", () => {
    const map = load(pickle(new Map([["__proto__", 1]]))) as Map<unknown, unknown>;
    expect(map.get("__proto__")).toBe(1);
    expect(Object.getPrototypeOf(map)).toBe(Map.prototype);
  });

  test("the end is the position after STOP", () => {
    expect(unpickle(concat([pickle(5), [1, 2, 3]]), 0, host)).toEqual({ value: 5, end: pickle(5).length });
  });
});

describe("broken pickles", () => {
  test.each<[string, Uint8Array, RegExp]>([
    ["no STOP", ops([0x4e]), /ends early: 1 bytes wanted at byte 3/],
    ["nothing to give back", ops(STOP), /takes a value that is not there/],
    ["a string of 4 GB", ops([0x58], u32(0xffffffff)), /4294967295 bytes wanted/],
    ["bytes of 2^64", ops([0x8e], new Uint8Array(8).fill(255)), /ends early/],
    ["an integer of 4 GB", ops([0x8b], u32(0xfffffff0)), /an integer of 4294967280 bytes/],
    ["text that is not UTF-8", ops([0x55, 1, 0xff], STOP), /not UTF-8/],
    ["a value recalled but never stored", ops([0x68, 3], STOP), /recalls value 3/],
    ["a mark that is not open", ops([0x74], STOP), /closes a mark/],
    ["values taken from below a mark", ops([0x4e], MARK, [0x85], STOP), /takes a value/],
    ["items of a list", ops(EMPTY_LIST, [0x4e, 0x4e, 0x73], STOP), /no dict/],
    ["a dict with a key too many", ops([0x7d], MARK, [0x4e, 0x75], STOP), /no dict/],
    ["appending to a dict", ops([0x7d, 0x4e, 0x61], STOP), /no list/],
    ["calling a number", ops([0x4b, 1], EMPTY_TUPLE, [0x52], STOP), /no function/],
    ["state of a number", ops([0x4b, 1, 0x4e, 0x62], STOP), /state of something/],
    ["INST", ops(MARK, new TextEncoder().encode("ios\nsystem\n"), STOP), /opcode 0x69 at byte 3 is not supported/],
    ["an opcode of protocol 0", ops(new TextEncoder().encode("I1\n."), STOP), /opcode 0x49/],
    ["a global without an end of line", ops(new TextEncoder().encode("cos")), /ends early/],
    ["STACK_GLOBAL of numbers", ops([0x4b, 1, 0x4b, 2, 0x93], STOP), /something else than text/],
    ["STACK_GLOBAL of os.system", ops([0x8c, 2, 0x6f, 0x73, 0x8c, 1, 0x78, 0x93], STOP), /asks for os\.x;/],
  ])("%s", async (_, bytes, message) => {
    await expectFormatError(() => load(bytes), message);
  });
});

describe("hostile pickles end quickly", () => {
  test("a list that contains itself", async () => {
    const bytes = ops(EMPTY_LIST, [0x71, 0], MARK, [0x68, 0], APPENDS, STOP);
    await expectFormatError(() => load(bytes), /contains itself/);
  });

  test("deep nesting, directly and through shared parts", async () => {
    const deep = ops(new Uint8Array(1e5).fill(EMPTY_LIST[0]), new Uint8Array(1e5 - 1).fill(APPEND[0]), STOP);
    await expectFormatError(() => load(deep), /nesting of more than 200/);
    const chain = ops(EMPTY_LIST, new Uint8Array(1000).fill(TUPLE1[0]), STOP);
    await expectFormatError(() => load(chain), /nesting of more than 200/);
  });

  test("a billion laughs", async () => {
    const laugh = Array.from({ length: 60 }, () => [0x32, 0x86]);
    await expectFormatError(() => load(ops(EMPTY_LIST, ...laugh, STOP)), /shared over and over/);
  });

  test("a billion laughs as the argument of a host's function", async () => {
    const laugh = Array.from({ length: 60 }, () => [0x32, 0x86]);
    const device = new TextEncoder().encode("ctorch\ndevice\n");
    await expectFormatError(() => load(ops(device, EMPTY_LIST, ...laugh, [0x85, 0x52], STOP)), /no proper name/);
    const rebuild = new TextEncoder().encode("ctorch._utils\n_rebuild_tensor_v3\n");
    const args = [0x28, 0x4e, 0x4e, 0x4e, 0x4e, 0x4e, 0x4e];
    await expectFormatError(() => load(ops(rebuild, args, EMPTY_LIST, ...laugh, [0x74, 0x52], STOP)), /unknown dtype/);
  });

  test("a device is its name", () => {
    expect(load(pickle(reduce(global("torch", "device"), "cuda", 1)))).toBe("cuda:1");
    expect(load(pickle(reduce(global("torch", "device"), "cpu")))).toBe("cpu");
  });

  test("more small values than the heap should hold", async () => {
    const many = new Uint8Array(5e6).fill(0x5d);
    await expectFormatError(() => load(ops(many, STOP)), /values that take more than 33554432 bytes/);
  });

  test("copying one long list over and over", async () => {
    const list = Array.from({ length: 1e5 }, () => 0);
    const copies = Array.from({ length: 1e4 }, () => reduce(global("torch", "Size"), list));
    await expectFormatError(() => load(pickle([list, ...copies])), /copies the same values/);
  });

  test("decoding one long string over and over", async () => {
    const text = "x".repeat(1e6);
    const once = reduce(global("_codecs", "encode"), text, "latin1");
    expect(Buffer.compare(load(pickle(once)) as Uint8Array, new Uint8Array(1e6).fill(0x78))).toBe(0);
    const shared = ops(
      new TextEncoder().encode("c_codecs\nencode\n"),
      [0x71, 0, 0x30, 0x58],
      u32(1e6),
      new TextEncoder().encode(text),
      [0x71, 1, 0x30, 0x8c, 6],
      new TextEncoder().encode("latin1"),
      [0x71, 2, 0x30],
      MARK,
      ...Array.from({ length: 1000 }, () => [0x68, 0, 0x68, 1, 0x68, 2, 0x86, 0x52]),
      [0x74],
      STOP,
    );
    await expectFormatError(() => load(shared), /copies the same values/);
  });

  test("what a host's function throws passes through", () => {
    const throwing: PickleHost = {
      file: "p",
      fileBytes: 0,
      persistent: () => null,
      global: () =>
        new PickleFunction("f", () => {
          throw new TypeError("mine");
        }),
    };
    expect(() => unpickle(pickle(reduce(global("a", "b"))), 0, throwing)).toThrow(new TypeError("mine"));
  });
});
