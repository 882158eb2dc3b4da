import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { platform } from "#platform";
import { openSafetensors } from "../../engine/io/safetensors.js";
import { type RgbImage, resizeBicubic } from "../../models/images/resize.js";
import { centreSquare, padToSquare } from "../../models/images/square.js";
import { padsImages, pixelValues, squarePixels } from "../../models/med-moe/input/image-input.js";

const SIZE = 42;
const stored = new Map<string, { bytes: Uint8Array; shape: readonly number[] }>();

beforeAll(async () => {
  const file = await openSafetensors(await platform.openFile("test/fixtures/med-moe/images.safetensors"));
  for (const name of file.names) {
    const tensor = file.get(name);
    stored.set(name, { bytes: await tensor.read(), shape: tensor.shape });
  }
  await file.close();
});

function golden(name: string) {
  const found = stored.get(name);
  if (!found) throw new Error(`no ${name} in the fixture`);
  return found;
}

function input(name: string): RgbImage {
  const { bytes, shape } = golden(`${name}.input`);
  return { height: shape[0], width: shape[1], rgb: bytes };
}

describe("every byte as Pillow's", () => {
  test.each([
    ["wide", "pad"],
    ["wide", "crop"],
    ["tall", "pad"],
    ["tall", "crop"],
    ["small", "pad"],
    ["small", "crop"],
    ["square", "crop"],
  ])("%s, %s", (name, mode) => {
    const pixels = squarePixels(input(name), SIZE, mode === "pad");
    expect([pixels.width, pixels.height]).toEqual([SIZE, SIZE]);
    expect(Buffer.compare(pixels.rgb, golden(`${name}.${mode}.resized_u8`).bytes)).toBe(0);
  });

  test("nothing of the fixture is left out", () => {
    const pictures = [...stored.keys()].filter((name) => name.endsWith(".resized_u8"));
    expect(pictures).toHaveLength(7);
  });
});

test.each(["pad", "crop"])("normalised, %s", (mode) => {
  const expected = new Float32Array(golden(`wide.${mode}.pixel_values`).bytes.slice().buffer);
  const values = pixelValues(input("wide"), SIZE, mode === "pad");
  expect(values).toHaveLength(expected.length);
  for (const [i, value] of values.entries()) expect(Math.abs(value - expected[i])).toBeLessThanOrEqual(2.4e-7);
});

describe("padding", () => {
  test("is the mean colour of CLIP around the middle", () => {
    const bar: RgbImage = { width: 3, height: 1, rgb: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9) };
    const { width, height, rgb } = padToSquare(bar, [122, 116, 104]);
    expect([width, height]).toEqual([3, 3]);
    expect([...rgb.subarray(9, 18)]).toEqual([...bar.rgb]);
    for (let i = 0; i < 9; i += 3) expect([...rgb.subarray(i, i + 3)]).toEqual([122, 116, 104]);
    const flat = squarePixels({ width: 1, height: 9, rgb: new Uint8Array(27) }, 9, true);
    expect([...flat.rgb.subarray(0, 3)]).toEqual([122, 116, 104]);
  });

  test("the odd pixel goes to the right and below; a square stays", () => {
    const row: RgbImage = { width: 2, height: 1, rgb: Uint8Array.of(9, 9, 9, 9, 9, 9) };
    expect([...padToSquare(row, [0, 0, 0]).rgb]).toEqual([9, 9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0]);
    const dot: RgbImage = { width: 1, height: 1, rgb: Uint8Array.of(1, 2, 3) };
    expect(padToSquare(dot, [0, 0, 0])).toBe(dot);
  });

  test.each([
    ["align", "pad", false],
    ["instruct", "square", true],
    ["moe", undefined, true],
    ["router", "pad", false],
    ["eval", "pad", false],
    ["chat", "pad", true],
    ["chat", "square", false],
    ["chat", undefined, false],
  ] as const)("%s with image_aspect_ratio %s: %s", (purpose, aspectRatio, pads) =>
    expect(padsImages(purpose, aspectRatio)).toBe(pads),
  );
});

describe("resizeBicubic", () => {
  const side = fc.integer({ min: 1, max: 24 });
  const image = fc
    .tuple(side, side)
    .chain(([width, height]) =>
      fc
        .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
        .map((rgb): RgbImage => ({ width, height, rgb })),
    );

  test("a window is a part of the whole", () => {
    fc.assert(
      fc.property(image, side, side, fc.nat(), fc.nat(), (image, width, height, a, b) => {
        const whole = resizeBicubic(image, width, height);
        const [left, top] = [a % width, b % height];
        const part = resizeBicubic(image, width, height, { left, top, width: width - left, height: height - top });
        for (let y = 0; y < part.height; y++) {
          const from = ((top + y) * width + left) * 3;
          const row = part.rgb.subarray(y * part.width * 3, (y + 1) * part.width * 3);
          expect([...row]).toEqual([...whole.rgb.subarray(from, from + part.width * 3)]);
        }
      }),
    );
  });

  test("the same size is the same image, a flat image stays flat", () => {
    fc.assert(
      fc.property(image, side, side, fc.nat(255), (image, width, height, grey) => {
        expect(resizeBicubic(image, image.width, image.height).rgb).toEqual(image.rgb);
        const flat = { ...image, rgb: image.rgb.map(() => grey) };
        expect(new Set(resizeBicubic(flat, width, height).rgb)).toEqual(new Set([grey]));
      }),
    );
  });

  test("a window outside", () => {
    const dot: RgbImage = { width: 1, height: 1, rgb: Uint8Array.of(1, 2, 3) };
    expect(() => resizeBicubic(dot, 4, 4, { left: 2, top: 0, width: 3, height: 4 })).toThrow(
      "resizeBicubic: the window ends at 5, 4 in 4x4 pixels.",
    );
  });

  test("a line of a million pixels takes the memory of its square only", () => {
    const line: RgbImage = { width: 1, height: 1_000_000, rgb: new Uint8Array(3_000_000).fill(7) };
    expect(new Set(squarePixels(line, SIZE, false).rgb)).toEqual(new Set([7]));
    expect(centreSquare(SIZE, 42_000_000, SIZE).top).toBe(20_999_979);
  });
});
