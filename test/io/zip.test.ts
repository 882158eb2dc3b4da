import { describe, expect, test } from "vitest";
import { entryReader, readZipEntries } from "../../engine/io/zip.js";
import { expectFormatError } from "./support/expect-error.js";
import { spySource } from "./support/spy-source.js";
import { type ZipLayout, zipFile } from "./support/zip-writer.js";

const text = (value: string) => new TextEncoder().encode(value);
const ITEMS = [
  { name: "a/one", bytes: text("first entry") },
  { name: "a/\u00e9", bytes: new Uint8Array(0) },
  { name: "a/zeros", bytes: new Uint8Array(300_000), deflate: true },
];

/** Positions in a file of one stored entry called "x", from the end: comment, end record, directory entry. */
const END = 22;
const ENTRY = END + 46 + 1;
const FIELD = { flags: 8, method: 10, compressed: 20, size: 24, nameLength: 28, offset: 42 };

function patched(change: (view: DataView, entry: number, end: number) => void, deflate = false): Uint8Array {
  const bytes = zipFile([{ name: "x", bytes: new Uint8Array(64), deflate }]);
  change(new DataView(bytes.buffer), bytes.length - ENTRY, bytes.length - END);
  return bytes;
}

async function readEverything(bytes: Uint8Array): Promise<Record<string, Uint8Array>> {
  const source = spySource(bytes, "z.zip");
  const found: Record<string, Uint8Array> = {};
  for (const [name, entry] of await readZipEntries(source))
    found[name] = await entryReader(source, entry)(0, entry.byteLength);
  return found;
}

test.each<ZipLayout>([
  {},
  { zip64: true },
  { padding: 60, zip64: true },
  { comment: "c".repeat(65_535) },
  // The end record is searched from behind: what looks like one inside the comment must not be taken for it.
  { comment: "PK\x05\x06 looks like an end record, but is none" },
  { comment: "PK\x05\x06" },
])("entries of layout %o", async (layout) => {
  const found = await readEverything(zipFile(ITEMS, layout));
  expect(Object.keys(found)).toEqual(ITEMS.map(({ name }) => name));
  for (const { name, bytes } of ITEMS) expect(Buffer.compare(found[name], bytes)).toBe(0);
});

test("a part of an entry, stored or deflated; nothing outside it", async () => {
  const source = spySource(zipFile(ITEMS));
  const entries = await readZipEntries(source);
  for (const name of ["a/one", "a/zeros"]) {
    const entry = entries.get(name);
    if (!entry) throw new Error(`no entry ${name}`);
    const read = entryReader(source, entry);
    expect(await read(6, 3)).toEqual(name === "a/one" ? text("ent") : new Uint8Array(3));
    for (const [offset, length] of [
      [0, entry.byteLength + 1],
      [-1, 1],
      [2 ** 53, 1],
      [0, Number.NaN],
    ]) {
      await expectFormatError(() => read(offset, length), /lie outside zip entry/);
    }
  }
});

describe("damaged", () => {
  test.each<[string, Uint8Array, RegExp]>([
    ["no end record", zipFile(ITEMS).slice(0, -1), /directory at the end of the file is missing/],
    ["more entries than there are", patched((v, _, end) => v.setUint16(end + 10, 2, true)), /no entry at byte 47/],
    [
      "a directory larger than the file",
      patched((v, _, end) => v.setUint32(end + 12, 1e6, true)),
      /directory claims 1000000 bytes/,
    ],
    [
      "a directory outside the file",
      patched((v, _, end) => v.setUint32(end + 16, 1e6, true)),
      /the zip directory should be at/,
    ],
    ["a name beyond the directory", patched((v, e) => v.setUint16(e + FIELD.nameLength, 9, true)), /cut short/],
    [
      "an entry outside the file",
      patched((v, e) => v.setUint32(e + FIELD.offset, 1e6, true)),
      /claims 64 bytes at 1000000/,
    ],
    ["an entry without a header", patched((v, e) => v.setUint32(e + FIELD.offset, 1, true)), /"x" has no header/],
    ["a stored entry of two sizes", patched((v, e) => v.setUint32(e + FIELD.size, 65, true)), /claims 64 bytes/],
    ["an encrypted entry", patched((v, e) => v.setUint16(e + FIELD.flags, 1, true)), /"x" is encrypted/],
    ["an unknown compression", patched((v, e) => v.setUint16(e + FIELD.method, 93, true)), /uses compression 93/],
    [
      "4 GB out of 64 bytes",
      patched((v, e) => v.setUint32(e + FIELD.size, 0xfffffffe, true), true),
      /claims 4294967294 bytes from/,
    ],
    [
      "an entry longer than it claims",
      patched((v, e) => v.setUint32(e + FIELD.size, 63, true), true),
      /longer than it claims/,
    ],
    [
      "an entry shorter than it claims",
      patched((v, e) => v.setUint32(e + FIELD.size, 65, true), true),
      /shorter than it claims/,
    ],
    ["two entries of one name", zipFile([ITEMS[0], ITEMS[0]]), /two zip entries are called "a\/one"/],
  ])("%s", async (_, bytes, message) => {
    const error = await expectFormatError(() => readEverything(bytes), message);
    expect(error.file).toBe("z.zip");
  });

  test("compressed bytes that are no deflate stream", async () => {
    const bytes = patched(() => {}, true);
    // Block type 3 does not exist.
    bytes[31] = 0xff;
    await expectFormatError(() => readEverything(bytes), /"x" does not decompress/);
  });
});
