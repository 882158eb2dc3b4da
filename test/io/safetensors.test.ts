import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readFloat32, toBytes, writable } from "../../engine/io/convert.js";
import { memoryFile } from "../../engine/io/file-source.js";
import { openSafetensors } from "../../engine/io/safetensors.js";
import { safetensorsChunks } from "../../engine/io/safetensors-writer.js";
import { STORED_BYTES, type StoredDType, type WritableTensor } from "../../engine/io/stored-tensor.js";
import { collect, concat } from "./support/collect.js";
import { expectFormatError } from "./support/expect-error.js";
import { spySource, virtualSource } from "./support/spy-source.js";

const MISS = "test/fixtures/miss";

function fileOf(header: string | Uint8Array, values = 0, claimed?: bigint): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true);
  return concat([length, text, new Uint8Array(values)]);
}

const open = (bytes: Uint8Array) => openSafetensors(memoryFile("m.safetensors", bytes));
const entry = (dtype: string, shape: unknown, offsets: unknown) =>
  JSON.stringify({ dtype, shape, data_offsets: offsets });

describe("files of the Python package", () => {
  const manifest = JSON.parse(readFileSync(`${MISS}/manifest.json`, "utf8"));

  test.each(Object.entries<{ tensors: number }>(manifest.files))(
    "%s has the tensors of the manifest",
    async (name, about) => {
      const reader = await open(readFileSync(`${MISS}/${name}`));
      expect(reader.names.length).toBe(about.tensors);
      for (const tensor of reader.names.map(reader.get)) expect((await tensor.read()).length).toBe(tensor.byteLength);
    },
  );

  test("writing the same tensors gives the same bytes", async () => {
    const bytes = readFileSync(`${MISS}/miss_tiny.safetensors`);
    const reader = await open(bytes);
    const shuffled = reader.names.map(reader.get).reverse();
    const again = await collect(safetensorsChunks("again", shuffled, { metadata: reader.metadata }));
    expect(Buffer.compare(again, bytes)).toBe(0);
  });
});

describe("reading", () => {
  test("a header of the specification", async () => {
    const header = `{"b":${entry("F32", [2], [2, 10])},"a":${entry("BF16", [], [0, 2])},"__metadata__":{"format":"pt"}}`;
    const file = fileOf(header, 10);
    file.set(toBytes(Float32Array.of(1.5, -2), "F32"), file.length - 8);
    const reader = await open(file);
    expect(reader.names).toEqual(["a", "b"]);
    expect(reader.metadata).toEqual({ format: "pt" });
    expect(await readFloat32(reader.get("b"))).toEqual(Float32Array.of(1.5, -2));
    expect(reader.get("a")).toMatchObject({ dtype: "BF16", shape: [], byteLength: 2 });
  });

  test("empty tensors, empty files, and padding after the header", async () => {
    expect((await open(fileOf("{}"))).names).toEqual([]);
    const padded = await open(fileOf(`{"x":${entry("F32", [0, 3], [0, 0])},"y":${entry("U8", [1], [0, 1])}}    `, 1));
    expect(await padded.get("x").read()).toEqual(new Uint8Array(0));
    expect(padded.has("y") && !padded.has("z")).toBe(true);
  });

  test("a file of 12 GB is opened by its header alone, and one tensor by its own bytes", async () => {
    const values = 12e9;
    const header = `{"small":${entry("F32", [4], [0, 16])},"large":${entry("U8", [values - 16], [16, values])}}`;
    const head = fileOf(header);
    const source = virtualSource(head, head.length + values);
    const reader = await openSafetensors(source);
    expect(source.seen.bytes).toBe(head.length);
    await reader.get("small").read();
    expect(source.seen.bytes).toBe(head.length + 16);
    await reader.close();
    expect(source.seen.closed).toBe(1);
  });

  test("a missing name comes with the nearest one", async () => {
    const reader = await open(fileOf(`{"layer.weight":${entry("U8", [], [0, 1])}}`, 1));
    await expectFormatError(
      () => reader.get("layer.wieght"),
      /no tensor is called "layer.wieght".*mean "layer.weight"/,
    );
  });
});

describe("damaged files", () => {
  const x = (offsets: unknown, shape: unknown = [2], dtype = "F32") => `{"x":${entry(dtype, shape, offsets)}}`;
  const two = (a: number[], b: number[]) =>
    `{"a":${entry("U8", [a[1] - a[0]], a)},"b":${entry("U8", [b[1] - b[0]], b)}}`;

  test.each<[string, Uint8Array, RegExp]>([
    ["shorter than its length field", new Uint8Array(7), /7 bytes has no header/],
    ["header longer than the file", fileOf("{}", 0, 3n), /claims 3 bytes of a file of 10/],
    ["header of 100 MB and more", fileOf("{}", 0, 100_000_001n), /header claims 100000001 bytes/],
    ["header of 2^64 - 1", fileOf("{}", 0, 2n ** 64n - 1n), /claims 18446744073709551615/],
    ["not JSON", fileOf('{"x" 1}'), /":" should follow the key "x"/],
    ["not an object", fileOf("[1]"), /does not start with "{"/],
    ["not UTF-8", fileOf(Uint8Array.of(0x7b, 0xff, 0x7d)), /not UTF-8/],
    [
      "the same key twice",
      fileOf(`{"x":${entry("U8", [1], [0, 1])},"x":${entry("U8", [1], [1, 2])}}`, 2),
      /"x" is there twice/,
    ],
    [
      "the same field twice",
      fileOf('{"x":{"dtype":"U8","dtype":"U8","shape":[],"data_offsets":[0,1]}}', 1),
      /"dtype" is there twice/,
    ],
    ["an unknown field", fileOf('{"x":{"dtype":"U8","shape":[],"data_offsets":[0,1],"e":0}}', 1), /unknown field "e"/],
    ["an entry that is no object", fileOf('{"x":[1]}'), /not an object/],
    ["an unknown dtype", fileOf(x([0, 2], [2], "F8_E4M3"), 2), /"F8_E4M3" is not supported.*F64, F32/],
    ["a dtype named like a method", fileOf(x([0, 2], [2], "toString"), 2), /"toString" is not supported/],
    ["a negative size", fileOf(x([0, 8], [-2]), 8), /not a list of sizes/],
    ["a fraction as size", fileOf(x([0, 8], [2.5]), 8), /not a list of sizes/],
    ["a size that overflows", fileOf(x([0, 8], [2 ** 40, 2 ** 40]), 8), /not a list of sizes/],
    ["an overflow hidden by a zero", fileOf(x([0, 0], [2 ** 40, 2 ** 40, 0]), 0), /not a list of sizes/],
    ["no shape", fileOf('{"x":{"dtype":"U8","data_offsets":[0,1]}}', 1), /shape \(missing\)/],
    ["one offset", fileOf(x([8]), 8), /not two byte positions/],
    ["offsets in the wrong order", fileOf(x([8, 0]), 8), /\[8, 0\] are in the wrong order/],
    ["size and shape that differ", fileOf(x([0, 4]), 4), /F32 \[2\] needs 8 bytes.*hold 4/],
    ["values that end too early", fileOf(x([0, 8]), 7), /"x" ends at 8, but there are 7/],
    ["bytes after the last tensor", fileOf(x([0, 8]), 9), /1 bytes after tensor "x" belong to no tensor/],
    ["a gap at the start", fileOf(x([1, 9]), 9), /1 bytes between the header and tensor "x"/],
    ["a gap between tensors", fileOf(two([0, 2], [3, 4]), 4), /1 bytes between tensor "a" and tensor "b"/],
    ["tensors that overlap", fileOf(two([0, 3], [2, 4]), 4), /"b" starts at 2, inside tensor "a", which ends at 3/],
    ["metadata that is no text", fileOf('{"__metadata__":{"a":1}}'), /__metadata__ holds something other/],
  ])("%s", async (_, bytes, message) => {
    const source = spySource(bytes, "m.safetensors");
    const error = await expectFormatError(() => openSafetensors(source), message);
    expect(error.file).toMatch(/^m\.safetensors/);
    expect(source.seen.bytes).toBeLessThanOrEqual(bytes.length);
  });

  test("a file that shrinks after opening", async () => {
    const source = spySource(fileOf(x([0, 8]), 8));
    const reader = await openSafetensors(source);
    source.read = async () => new Uint8Array(3);
    await expectFormatError(() => reader.get("x").read(), /read 3 of 8 bytes of tensor "x"/);
  });
});

describe("writing", () => {
  const names = fc.uniqueArray(
    fc.string({ unit: "grapheme" }).filter((name) => name !== "__metadata__"),
    { maxLength: 8 },
  );
  const tensor = (name: string): fc.Arbitrary<WritableTensor> =>
    fc
      .record({
        dtype: fc.constantFrom(...(Object.keys(STORED_BYTES) as StoredDType[])),
        shape: fc.array(fc.nat({ max: 4 }), { maxLength: 4 }),
      })
      .chain(({ dtype, shape }) => {
        const bytes = shape.reduce((product, size) => product * size, 1) * STORED_BYTES[dtype];
        const values = fc.uint8Array({ minLength: bytes, maxLength: bytes });
        return values.map((data) => ({ name, dtype, shape, read: () => data }));
      });
  const tensors = names.chain((list) => fc.tuple(...list.map(tensor)));
  const metadata = fc.dictionary(fc.string(), fc.string(), { maxKeys: 4 });

  test("what is written is read back, whatever the names, in any order", async () => {
    await fc.assert(
      fc.asyncProperty(tensors, metadata, async (list, about) => {
        const bytes = await collect(safetensorsChunks("w", list, { metadata: about }));
        const backwards = await collect(safetensorsChunks("w", [...list].reverse(), { metadata: about }));
        expect(Buffer.compare(bytes, backwards)).toBe(0);
        const reader = await open(bytes);
        expect({ ...reader.metadata }).toEqual({ ...about });
        expect([...reader.names].sort()).toEqual(list.map(({ name }) => name).sort());
        for (const { name, dtype, shape, read } of list) {
          expect(reader.get(name)).toMatchObject({ dtype, shape });
          expect(Buffer.compare(await reader.get(name).read(), await read())).toBe(0);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("every tensor is aligned to its element size", async () => {
    const list = (["U8", "F64", "BF16", "F32", "U8"] as const).map((dtype, i) =>
      writable(`t${i}`, [3], Float32Array.of(1, 2, 3), dtype),
    );
    const bytes = await collect(safetensorsChunks("w", list));
    const headerEnd = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(headerEnd % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, headerEnd)));
    for (const { name, dtype } of list) expect(header[name].data_offsets[0] % STORED_BYTES[dtype]).toBe(0);
  });

  test("one tensor is in memory at a time", async () => {
    let live = 0;
    const list = Array.from({ length: 5 }, (_, i) => {
      const tensor = writable(`t${i}`, [1], Float32Array.of(i), "F32");
      const read = () => {
        live++;
        return tensor.read();
      };
      return { ...tensor, read };
    });
    const liveAtEachChunk: number[] = [];
    for await (const _ of safetensorsChunks("w", list)) {
      liveAtEachChunk.push(live);
      live = 0;
    }
    expect(liveAtEachChunk).toEqual([0, 1, 1, 1, 1, 1]);
  });

  test("two tensors of one name, wrong shapes and wrong sizes are refused", async () => {
    const t = writable("t", [2], Float32Array.of(1, 2), "F32");
    await expectFormatError(() => collect(safetensorsChunks("w", [t, t])), /two tensors are called "t"/);
    await expectFormatError(() => collect(safetensorsChunks("w", [{ ...t, name: "__metadata__" }])), /two tensors/);
    await expectFormatError(() => collect(safetensorsChunks("w", [{ ...t, shape: [-2] }])), /has the shape \[-2\]/);
    await expectFormatError(() => collect(safetensorsChunks("w", [{ ...t, shape: [3] }])), /needs 12 bytes, got 8/);
  });
});
