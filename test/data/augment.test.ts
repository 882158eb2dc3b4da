import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HostRandom } from "../../engine/index.js";
import {
  Augmentation,
  type AugmentationInput,
  augmentationNames,
  augmentImage,
  augmentText,
  BLIP_AUGMENTATIONS,
} from "../../models/data/augment/augmentation.js";
import { autoContrast, brightness, equalize, sharpness } from "../../models/data/augment/colours.js";
import { cropWindow } from "../../models/data/augment/crop.js";
import { mirrored } from "../../models/data/augment/flip.js";
import { gaussianNoise } from "../../models/data/augment/noise.js";
import { operations, randAugment } from "../../models/data/augment/rand-augment.js";
import { rotate, shear, translate } from "../../models/data/augment/warp.js";
import { deleteWords, swapWords } from "../../models/data/augment/words.js";
import { rowStream } from "../../models/data/random.js";
import type { RgbImage } from "../../models/images/resize.js";

/** As in fixtures/augment/make_golden.py. */
function noise(width: number, height: number, of = (value: number) => value): RgbImage {
  let state = 1;
  const rgb = Uint8Array.from({ length: width * height * 3 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return of(state >>> 24);
  });
  return { width, height, rgb };
}

const small = noise(23, 17, (value) => (value >> 1) + 30);
const golden: Record<string, string> = JSON.parse(readFileSync("test/fixtures/augment/golden.json", "utf8"));
const difference = (image: RgbImage, name: string) => {
  const expected = Buffer.from(golden[name], "base64");
  expect(image.rgb).toHaveLength(expected.length);
  return Math.max(...image.rgb.map((value, i) => Math.abs(value - expected[i])));
};

describe("RandAugment's operations", () => {
  test.each([
    ["AutoContrast", autoContrast(small)],
    ["Brightness 0.64", brightness(small, 0.64)],
    ["Brightness 1.54", brightness(small, 1.54)],
    ["Sharpness 0.64", sharpness(small, 0.64)],
    ["Sharpness 1.54", sharpness(small, 1.54)],
    ["TranslateX 5", translate(small, 5, 0)],
    ["TranslateY -5", translate(small, 0, -5)],
    ["Rotate 15", rotate(small, 15)],
    ["Rotate -15", rotate(small, -15)],
  ])("%s: every byte as OpenCV's", (name, image) => expect(difference(image, name)).toBe(0));

  test.each([
    ["ShearX 0.15", shear(small, 0.15, 0)],
    ["ShearX -0.15", shear(small, -0.15, 0)],
    ["ShearY 0.15", shear(small, 0, 0.15)],
  ])("%s: as OpenCV's, which computes in f32, to one step", (name, image) =>
    expect(difference(image, name)).toBeLessThanOrEqual(1),
  );

  test("Equalize: hash of OpenCV's bytes; too small an image stays", () => {
    const { rgb } = equalize(noise(300, 200));
    expect(createHash("sha256").update(rgb).digest("hex")).toBe(golden.Equalize);
    const tiny = noise(9, 4);
    expect(equalize(tiny)).toEqual(tiny);
  });

  test("the ten of BLIP; at its level 5 Brightness and Sharpness change nothing", () => {
    expect(Object.keys(operations)).toHaveLength(10);
    const random = new HostRandom(1);
    for (const name of ["Identity", "Brightness", "Sharpness"] as const)
      expect(operations[name](small, 5, random).rgb).toEqual(small.rgb);
    expect(operations.Brightness(small, 9, random).rgb).not.toEqual(small.rgb);
  });

  test("an image of one pixel, and one that is flat, go through all", () => {
    for (const image of [
      { width: 1, height: 1, rgb: Uint8Array.of(1, 2, 3) },
      { width: 9, height: 4, rgb: new Uint8Array(108).fill(128) },
    ])
      for (const operation of Object.values(operations))
        expect(operation(image, 5, new HostRandom(2)).rgb).toHaveLength(image.rgb.length);
  });

  test("each is drawn about as often as the others, and done half of the times", () => {
    const random = new HostRandom(3);
    const changed = Array.from({ length: 400 }, () => randAugment(small, { n: 2, m: 5, p: 0.5 }, random)).filter(
      ({ rgb }) => Buffer.compare(rgb, small.rgb) !== 0,
    );
    // Of two draws each does something with probability 7/10 * 1/2.
    expect(Math.abs(changed.length / 400 - (1 - 0.65 ** 2))).toBeLessThan(0.05);
  });
});

describe("other changes of pixels", () => {
  test("flip: left and right change places", () => {
    const image = { width: 2, height: 1, rgb: Uint8Array.of(1, 2, 3, 4, 5, 6) };
    expect([...mirrored(image).rgb]).toEqual([4, 5, 6, 1, 2, 3]);
    expect(mirrored(mirrored(small))).toEqual(small);
  });

  test("noise of variance 0.1 of the range; as published it is of variance 0.1 of 255 steps, cut, and wraps around", () => {
    const grey = { width: 100, height: 100, rgb: new Uint8Array(30_000).fill(128) };
    const statistics = ({ rgb }: RgbImage) => {
      const mean = rgb.reduce((sum, value) => sum + value, 0) / rgb.length;
      return { mean, deviation: Math.sqrt(rgb.reduce((sum, value) => sum + (value - mean) ** 2, 0) / rgb.length) };
    };
    const real = statistics(gaussianNoise(grey, { p: 1, variance: 0.01, published: false }, new HostRandom(1)));
    expect(real.mean).toBeCloseTo(128, 0);
    expect(Math.abs(real.deviation - 25.5)).toBeLessThan(0.5);
    const published = gaussianNoise(grey, { p: 1, variance: 0.1, published: true }, new HostRandom(1));
    // Half of the values lose a step by the cut, none gains one but by chance of 0.0008.
    expect(statistics(published).mean).toBeCloseTo(127.5, 1);
    const black = gaussianNoise(
      { ...grey, rgb: new Uint8Array(30_000) },
      { p: 1, variance: 0.1, published: true },
      new HostRandom(1),
    );
    expect(new Set(black.rgb)).toEqual(new Set([0, 1, 255]));
    expect(gaussianNoise(grey, { p: 0, variance: 0.1, published: false }, new HostRandom(1))).toBe(grey);
  });

  test("a random crop lies in the image, has an allowed area and aspect, and else is the largest in the middle", () => {
    const options = { scale: [0.5, 1], ratio: [3 / 4, 4 / 3] } as const;
    for (let i = 0; i < 200; i++) {
      const { left, top, width, height } = cropWindow(200, 160, options, new HostRandom(i));
      expect(left >= 0 && top >= 0 && left + width <= 200 && top + height <= 160).toBe(true);
      expect((width * height) / (200 * 160)).toBeGreaterThan(0.49);
      expect(width / height).toBeGreaterThan(0.73);
      expect(width / height).toBeLessThan(1.36);
    }
    // No part of half the area has an allowed aspect.
    expect(cropWindow(1000, 10, options, new HostRandom(1))).toEqual({ left: 493, top: 0, width: 13, height: 10 });
  });
});

describe("changes of words", () => {
  test("swapped words are the same words; a single one stays", () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z?]{1,6}$/), { minLength: 1, maxLength: 12 }),
        fc.nat(),
        (words, seed) => {
          const swapped = swapWords(words.join(" "), 2, new HostRandom(seed));
          expect(swapped.split(" ").sort()).toEqual([...words].sort());
        },
      ),
    );
    expect(swapWords("a b", 1, new HostRandom(1))).toBe("b a");
  });

  test("words are left out with their probability, in order, never all", () => {
    const words = Array.from({ length: 1000 }, (_, i) => `w${i}`);
    const kept = deleteWords(words.join(" "), 0.2, new HostRandom(4)).split(" ");
    expect(kept.length / 1000).toBeCloseTo(0.8, 1);
    expect(kept).toEqual(words.filter((word) => kept.includes(word)));
    expect(deleteWords("one two", 1, new HostRandom(1))).toMatch(/^(one|two)$/);
  });
});

describe("a list of augmentations", () => {
  const list = (given: AugmentationInput[]) => given.map((one) => Augmentation.parse(one));

  test("is decided by seed, epoch and row", () => {
    const all = list(augmentationNames.map((name) => ({ name }) as AugmentationInput));
    const seen = (seed: number, epoch: number, row: number) => {
      const text = augmentText("where is the left lung shown here", all, rowStream(seed, "text", epoch, row));
      const { rgb } = augmentImage(small, all, 12, rowStream(seed, "pixels", epoch, row));
      return `${text} ${Buffer.from(rgb).toString("hex")}`;
    };
    const here = [
      [1, 0, 0],
      [2, 0, 0],
      [1, 1, 0],
      [1, 0, 1],
      [1, 1, 1],
      [1 + 2 ** 32, 0, 0],
    ].map(([seed, epoch, row]) => seen(seed, epoch, row));
    expect(new Set(here).size).toBe(here.length);
    expect(seen(1, 1, 1)).toBe(here[4]);
  });

  test("BLIP's gives an image of the model's size; words alone leave pixels alone", () => {
    const image = augmentImage(small, BLIP_AUGMENTATIONS, 32, new HostRandom(5));
    expect([image.width, image.height]).toEqual([32, 32]);
    // Its pretrain.py: min_scale=0.2.
    expect(BLIP_AUGMENTATIONS[0]).toEqual({ name: "random-resized-crop", scale: [0.2, 1], ratio: [3 / 4, 4 / 3] });
    expect(augmentImage(small, list([{ name: "word-swap" }]), 32, new HostRandom(5))).toBe(small);
    expect(augmentText("one two", BLIP_AUGMENTATIONS, new HostRandom(5))).toBe("one two");
  });

  test("refuses what it does not know, and numbers that cannot be", () => {
    expect(Augmentation.safeParse({ name: "blur" }).success).toBe(false);
    expect(Augmentation.safeParse({ name: "flip", p: 2 }).success).toBe(false);
    expect(Augmentation.safeParse({ name: "random-resized-crop", scale: [1, 0.5] }).error?.issues[0].message).toContain(
      "wrong order",
    );
    expect(Augmentation.safeParse({ name: "flip", often: true }).success).toBe(false);
  });
});
