import { createHash } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { platform } from "#platform";
import { openSafetensors } from "../../engine/io/safetensors.js";
import { readImage } from "../../models/images/load-image.js";
import { interpolatePositions } from "../../models/images/position-embedding.js";
import { type RgbImage, resizeBilinear } from "../../models/images/resize.js";
import { CHANNELS, ordinaryScaling, publishedScaling, toChannels } from "../../models/images/scaling.js";

const stored = new Map<string, { bytes: Uint8Array; shape: readonly number[] }>();

beforeAll(async () => {
  const file = await openSafetensors(await platform.openFile("test/fixtures/miss/preprocess.safetensors"));
  for (const name of file.names) {
    const tensor = file.get(name);
    stored.set(name, { bytes: await tensor.read(), shape: tensor.shape });
  }
  await file.close();
});

function bytes(name: string) {
  const tensor = stored.get(name);
  if (!tensor) throw new Error(`no ${name} in the fixture`);
  return tensor;
}

const floats = (name: string) => new Float32Array(bytes(name).bytes.slice().buffer);

function image(name: string): RgbImage {
  const { bytes: rgb, shape } = bytes(name);
  return { height: shape[0], width: shape[1], rgb };
}

/** Upper bytes of a linear congruential generator (Numerical Recipes), seed 1. */
function noise(length: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

describe("resizeBilinear", () => {
  test.each(["down", "up", "mixed"])("%s: every byte as Pillow's", (name) => {
    const expected = image(`${name}.resized_u8_hwc`);
    const resized = resizeBilinear(image(`${name}.src_u8_hwc`), expected.width, expected.height);
    expect(Buffer.compare(resized.rgb, expected.rgb)).toBe(0);
  });

  test.each([
    [429, 256, 480, 480, "795d6d42c01b868a"],
    [429, 256, 224, 224, "ad3baa1e99c82de8"],
    [256, 321, 64, 64, "db1cd4bdda6db510"],
    [1, 1, 5, 3, "b59bb89b7f8c1b38"],
    [90, 1, 1, 40, "b48ac6ba5c300699"],
    [2321, 7, 3, 7, "14495ae51494a480"],
  ])("noise of %ix%i to %ix%i: hash of Pillow 9.4's bytes", (fromWidth, fromHeight, width, height, hash) => {
    const source = { width: fromWidth, height: fromHeight, rgb: noise(fromWidth * fromHeight * 3) };
    const { rgb } = resizeBilinear(source, width, height);
    expect(createHash("sha256").update(rgb).digest("hex").slice(0, 16)).toBe(hash);
  });

  test("the same size is the same image; a flat image stays flat", () => {
    const source = image("mixed.src_u8_hwc");
    expect(resizeBilinear(source, source.width, source.height)).toEqual(source);
    const flat = { width: 7, height: 5, rgb: new Uint8Array(105).fill(201) };
    expect(new Set(resizeBilinear(flat, 3, 11).rgb)).toEqual(new Set([201]));
  });

  test("sizes that cannot be", () => {
    expect(() => resizeBilinear(image("up.src_u8_hwc"), 0, 5)).toThrow("resizeBilinear: width 0");
    expect(() => resizeBilinear(image("up.src_u8_hwc"), 5, 2.5)).toThrow("resizeBilinear: height 2.5");
    const short = { width: 2, height: 2, rgb: new Uint8Array(11) };
    expect(() => resizeBilinear(short, 1, 1)).toThrow("resizeBilinear: 11 bytes for 2x2 RGB pixels.");
  });
});

describe("scaling", () => {
  test.each(["down", "up", "mixed"])("%s: resize and both divisions as published, bit for bit", (name) => {
    expect(toChannels(resizeBilinear(image(`${name}.src_u8_hwc`), 24, 24), publishedScaling)).toEqual(
      floats(`${name}.model_input_chw`),
    );
  });

  test("channels are planes; ordinary scaling centres each", () => {
    const two: RgbImage = { width: 2, height: 1, rgb: Uint8Array.of(0, 51, 102, 255, 204, 153) };
    const half = toChannels(two, ordinaryScaling(CHANNELS.half));
    const expected = [-1, 1, -0.6, 0.6, -0.2, 0.2];
    expect([...half]).toEqual(expected.map((value) => expect.closeTo(value, 6)));
    const [red] = toChannels(two, ordinaryScaling(CHANNELS.imagenet));
    expect(red).toBeCloseTo(-0.485 / 0.229, 6);
  });
});

describe("files", () => {
  test("a radiology image of the data folder", async () => {
    const radiograph = await readImage("data/vqa-rad/images/synpic100132.jpg");
    expect([radiograph.width, radiograph.height]).toEqual([429, 256]);
    const input = toChannels(resizeBilinear(radiograph, 64, 64), ordinaryScaling(CHANNELS.half));
    expect(input).toHaveLength(3 * 64 * 64);
    const mean = input.reduce((sum, value) => sum + value, 0) / input.length;
    expect(Math.abs(mean)).toBeLessThan(1);
    expect(Math.max(...input) - Math.min(...input)).toBeGreaterThan(0.5);
  });
});

describe("interpolatePositions", () => {
  test.each([
    ["pos_2to3", 3],
    ["pos_4to7", 7],
    ["pos_6to3", 3],
  ])("%s as torch's bicubic, to the rounding of float32", (name, to) => {
    const expected = floats(`${name}.dst`);
    const ours = interpolatePositions(floats(`${name}.src`), 8, to);
    expect(ours).toHaveLength(expected.length);
    // Both are float64 inside; one unit in the last place at the largest value.
    const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    for (const [i, value] of ours.entries())
      expect(Math.abs(value - expected[i])).toBeLessThanOrEqual(largest * 2 ** -23);
  });

  test("the same grid is a copy; what is no square is refused", () => {
    const table = Float32Array.from({ length: 5 * 2 }, (_, i) => i);
    const same = interpolatePositions(table, 2, 2);
    expect(same).toEqual(table);
    expect(same).not.toBe(table);
    expect(() => interpolatePositions(new Float32Array(4 * 2), 2, 3)).toThrow("3 positions besides the class token");
    expect(() => interpolatePositions(new Float32Array(2), 2, 3)).toThrow("0 positions");
  });
});
