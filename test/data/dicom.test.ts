import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FileError } from "../../bindings/platform/file-error.js";
import { decodeDicom } from "../../models/images/dicom/decode.js";
import { DicomFault } from "../../models/images/dicom/header.js";
import { imageExists, imageFault, imagePixels, readImage, readStack } from "../../models/images/load-image.js";
import type { RgbImage } from "../../models/images/resize.js";

const FIXTURES = "test/fixtures/images";
type Stored = { width: number; height: number; rgb: string };
const expected: Record<string, Stored> = JSON.parse(readFileSync(`${FIXTURES}/expected.json`, "utf8"));
const bytesOf = (name: string) => new Uint8Array(readFileSync(`${FIXTURES}/${name}`));

/** Largest difference of a value. */
function difference({ width, height, rgb }: RgbImage, name: string): number {
  const stored = expected[name];
  expect([width, height]).toEqual([stored.width, stored.height]);
  const golden = Buffer.from(stored.rgb, "base64");
  expect(rgb).toHaveLength(golden.length);
  return rgb.reduce((most, value, i) => Math.max(most, Math.abs(value - golden[i])), 0);
}

describe("pictures as Pillow reads them", () => {
  test.each(Object.keys(expected).filter((name) => /\.(png|jpg)$/.test(name)))("%s: every byte", async (name) =>
    expect(difference(await readImage(`${FIXTURES}/${name}`), name)).toBe(0),
  );
});

test("a few bytes that claim a picture beyond memory are refused by their header", async () => {
  const bomb = Buffer.from(bytesOf("grey.png"));
  bomb.writeUInt32BE(16_000, 16);
  bomb.writeUInt32BE(15_000, 20);
  bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
  const why = `16000 x 15000 pixels are more than are read from a file of ${bomb.length} bytes, 21 million. Make it smaller`;
  const path = join(mkdtempSync(join(tmpdir(), "consilium-bomb-")), "bomb.png");
  writeFileSync(path, bomb);
  await expect(readImage(path)).rejects.toThrow(
    new FileError(path, `not a readable image (${why}). Copy it again, or take out its rows`),
  );
  expect(await imageFault(path)).toBe(why);
  rmSync(dirname(path), { recursive: true });
});

describe("DICOM as pydicom reads it", () => {
  const exact = Object.keys(expected).filter((name) => /\.dcm(#\d+)?$/.test(name) && name !== "ybr.dcm");
  test.each(exact)("%s: every byte", async (name) =>
    expect(difference(await readImage(`${FIXTURES}/${name}`), name)).toBe(0),
  );

  test("ybr.dcm: to one step, pydicom rounds its factors", async () =>
    expect(difference(await readImage(`${FIXTURES}/ybr.dcm`), "ybr.dcm")).toBeLessThanOrEqual(1));

  test("from bytes, too", async () => expect(difference(await imagePixels(bytesOf("ct.dcm")), "ct.dcm")).toBe(0));

  test("a folder of a series: in the order of its places, other files left out; its middle where nothing is said", async () => {
    const stack: RgbImage[] = [];
    for await (const image of readStack(`${FIXTURES}/series`)) stack.push(image);
    expect(stack.map((image, i) => difference(image, `series#${i + 1}`))).toEqual([0, 0, 0, 0, 0]);
    expect(difference(await readImage(`${FIXTURES}/series`), "series#3")).toBe(0);
    expect(difference(await readImage(`${FIXTURES}/series/#5`), "series#5")).toBe(0);
    await expect(readImage(`${FIXTURES}/series#6`)).rejects.toThrow("there is no slice 6: it has 5");
    expect(await imageFault(`${FIXTURES}/series`)).toBeNull();
    expect([await imageExists(`${FIXTURES}/series#2`), await imageExists(`${FIXTURES}/none#2`)]).toEqual([true, false]);
  });

  test("all frames of a file, in order", async () => {
    const greys: number[] = [];
    for await (const { rgb } of readStack(`${FIXTURES}/frames.dcm`)) greys.push(rgb[3]);
    expect(greys).toEqual([5, 0, 6]);
  });
});

/** A sound file with some of its bytes written over. */
function changed(name: string, from: readonly number[] | string, to: readonly number[] | string): Uint8Array {
  const asBytes = (part: readonly number[] | string) =>
    typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part);
  const bytes = Buffer.from(bytesOf(name));
  const at = bytes.indexOf(asBytes(from));
  expect(at).toBeGreaterThan(0);
  return new Uint8Array(Buffer.concat([bytes.subarray(0, at), asBytes(to), bytes.subarray(at + asBytes(from).length)]));
}

describe("DICOM that is not read", () => {
  const syntax = (uid: string) => changed("ct.dcm", "1.2.840.10008.1.2.1\0", `${uid}\0`.slice(0, 20).padEnd(20, "\0"));

  test.each([
    ["1.2.840.10008.1.2.5", "RLE Lossless (1.2.840.10008.1.2.5)"],
    ["1.2.840.10008.1.2.2", "Explicit VR Big Endian"],
    ["1.2.840.10008.1.2.9", "transfer syntax 1.2.840.10008.1.2.9"],
  ])("compressed or in another order, by name: %s", async (uid, name) => {
    await expect(decodeDicom(syntax(uid), "a")).rejects.toThrow(`it is in ${name}`);
  });

  test.each([
    ["1.2.840.10008.1.2.4.70", "JPEG Lossless, first-order prediction"],
    ["1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless"],
    ["1.2.840.10008.1.2.4.80", "JPEG-LS Lossless"],
    ["1.2.840.10008.1.2.4.51", "JPEG Extended (12 bits)"],
  ])("%s", async (uid, name) => {
    await expect(decodeDicom(changed("jpeg-rgb.dcm", "1.2.840.10008.1.2.4.50", uid), "a")).rejects.toThrow(
      `it is in ${name} (${uid})`,
    );
  });

  test("deflated elements are not inflated", async () => {
    const bytes = changed(
      "ct.dcm",
      "\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0",
      "\x02\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99",
    );
    // The group of the header is two bytes longer then.
    const longer = Buffer.from(bytes);
    longer.writeUInt32LE(longer.readUInt32LE(140) + 2, 140);
    await expect(decodeDicom(new Uint8Array(longer), "a")).rejects.toThrow("Deflated Explicit VR Little Endian");
  });

  /** A value of two bytes of the group that says what the pixels are. */
  const us = (element: readonly [number, number], ...value: readonly [number, number]) => [
    ...[0x28, 0, ...element, 0x55, 0x53, 2, 0],
    ...value,
  ];
  const [bits, stored, height] = [
    [0, 1],
    [1, 1],
    [0x10, 0],
  ] as const;

  test.each([
    ["32 bits", "ct.dcm", us(bits, 16, 0), us(bits, 32, 0), "its pixels have 32 bits"],
    ["more bits than there are", "ct.dcm", us(stored, 16, 0), us(stored, 17, 0), "its bits cannot be"],
    ["a palette", "ct.dcm", "MONOCHROME2 ", "PALETTECOLOR", 'its colours are "PALETTECOLOR"'],
    ["no rows", "ct.dcm", us(height, 16, 0), us(height, 0, 0), "it has 24 x 0 pixels"],
    [
      ...["many rows", "ct.dcm", us(height, 16, 0), us(height, 255, 255)],
      "its pixels are cut short: 768 of 3145680 bytes are there",
    ],
    ["many frames", "frames.dcm", "IS\x02\x003 ", "IS\x02\x0099", "its pixels are cut short"],
  ] as const)("%s", async (_, name, from, to, message) => {
    await expect(decodeDicom(changed(name, from, to), "a")).rejects.toThrow(message);
  });

  test("names the file and what to do", async () => {
    await expect(imagePixels(syntax("1.2.840.10008.1.2.5"), "scan.dcm")).rejects.toThrow(
      "scan.dcm: not a readable image (it is in RLE Lossless (1.2.840.10008.1.2.5), which is not read here. Write it anew without " +
        "compression (dcmdjpeg, gdcmconv --raw)). Copy it again, or take out its rows",
    );
    await expect(readImage("test/fixtures/augment")).rejects.toThrow("it is a folder without DICOM files");
    await expect(readImage(`${FIXTURES}/grey.png#2`)).rejects.toThrow("only DICOM has frames to choose from");
    await expect(readImage(`${FIXTURES}/frames.dcm#4`)).rejects.toThrow("there is no frame 4: it has 3");
    expect(await imageFault("test/fixtures/augment")).toBe("not a readable image (it is a folder without DICOM files)");
  });
});

describe("bytes of strangers", () => {
  const names = [
    "ct.dcm",
    "ct-implicit.dcm",
    "enhanced.dcm",
    "frames.dcm",
    "jpeg-frames.dcm",
    "jpeg-rgb.dcm",
    "rgb-planes.dcm",
    "ybr.dcm",
  ];

  test("whatever is changed, there is a picture of the size that the file says, or a fault that says why, at once", async () => {
    let pictures = 0;
    let faults = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.noBias(
          fc.array(fc.tuple(fc.integer({ min: 0, max: 9_999 }), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
        ),
        fc.noBias(fc.option(fc.integer({ min: 0, max: 9_999 }), { freq: 1 })),
        async (name, edits, cut) => {
          const whole = bytesOf(name);
          // The preamble means nothing: edits begin behind it.
          const place = (share: number) => 132 + Math.floor((share / 10_000) * (whole.length - 132));
          for (const [at, value] of edits) whole[place(at)] = value;
          const bytes = whole.subarray(0, cut === null ? undefined : place(cut));
          const started = performance.now();
          try {
            const { width, height, rgb } = await imagePixels(bytes, name);
            expect(rgb).toHaveLength(width * height * 3);
            pictures++;
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
            const { message, cause } = error as Error;
            expect(message).toMatch(
              /^[\w-]+\.dcm: not a readable image \(.+\)\. Copy it again, or take out its rows$/s,
            );
            if (!/jpeg/.test(name)) expect(cause).toBeInstanceOf(DicomFault);
            faults++;
          }
          expect(performance.now() - started).toBeLessThan(2000);
        },
      ),
      { numRuns: 1500 },
    );
    expect(pictures).toBeGreaterThan(150);
    expect(faults).toBeGreaterThan(150);
  }, 120_000);

  test("sequences that never end, deep in each other, are a fault", async () => {
    const head = bytesOf("ct.dcm").subarray(0, 132 + 12);
    const item = [0x08, 0, 0x40, 0x11, 0x53, 0x51, 0, 0, 255, 255, 255, 255, 0xfe, 0xff, 0, 0xe0, 255, 255, 255, 255];
    const meta = bytesOf("ct.dcm").subarray(
      132,
      132 + 12 + new DataView(bytesOf("ct.dcm").buffer).getUint32(140, true),
    );
    const deep = new Uint8Array(
      Buffer.concat([head.subarray(0, 132), meta, Buffer.from(Array.from({ length: 20_000 }, () => item).flat())]),
    );
    const started = performance.now();
    await expect(decodeDicom(deep, "a")).rejects.toThrow(DicomFault);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
