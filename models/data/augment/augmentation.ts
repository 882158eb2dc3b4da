/**
 * What training changes about a question or an image each time it is used, as one list that is applied in its order. Same
 * random stream, same result.
 */
import { z } from "zod";
import type { HostRandom } from "../../../engine/index.js";
import type { RgbImage } from "../../images/resize.js";
import { randomResizedCrop } from "./crop.js";
import { flip } from "./flip.js";
import { gaussianNoise } from "./noise.js";
import { randAugment } from "./rand-augment.js";
import { deleteWords, swapWords } from "./words.js";

const p = z.number().min(0).max(1);
const range = z
  .tuple([z.number().positive(), z.number().positive()])
  .refine(([least, most]) => least <= most, { error: "its ends are in the wrong order" });

/** One change. Those of questions first. */
export const Augmentation = z.discriminatedUnion("name", [
  z.strictObject({
    /** Two random words change places. */
    name: z.literal("word-swap"),
    /** How often. */
    times: z.int().positive().default(2),
  }),
  z.strictObject({
    /** Words are left out; one always stays. */
    name: z.literal("word-delete"),
    /** Probability, of each. */
    p: p.default(0.2),
  }),
  z.strictObject({
    /** Normal noise on every value of every pixel. */
    name: z.literal("gaussian-noise"),
    /** Probability. */
    p: p.default(0.5),
    /** Of pixels from 0 to 1. */
    variance: z.number().positive().default(0.1),
    /** As MISS was published: the variance is that of pixels from 0 to 255, and what leaves their range comes in at its other end. */
    published: z.boolean().default(false),
  }),
  z.strictObject({
    /** A random part of the image, resized to the model's size (bicubic). */
    name: z.literal("random-resized-crop"),
    /** Smallest and largest share of the area. */
    scale: range.default([0.5, 1]),
    /** Smallest and largest width : height. */
    ratio: range.default([3 / 4, 4 / 3]),
  }),
  z.strictObject({
    /** Left and right change places. A question about sides then has the wrong answer. */
    name: z.literal("flip"),
    /** Probability. */
    p: p.default(0.5),
  }),
  z.strictObject({
    /** Some of BLIP's ten operations, by chance. */
    name: z.literal("rand-augment"),
    /** How many are drawn. */
    n: z.int().positive().default(2),
    /** Their level, of 10. */
    m: z.number().min(0).max(10).default(5),
    /** Probability that one that was drawn is done. */
    p: p.default(0.5),
  }),
]);
/** One change. */
export type Augmentation = z.infer<typeof Augmentation>;
/** As it is written: what has a default may be left out. */
export type AugmentationInput = z.input<typeof Augmentation>;

/** Names of all there are. */
export const augmentationNames = Augmentation.options.map(({ shape }) => shape.name.value);

/** A question after those changes of the list that are of words. */
export function augmentText(text: string, list: readonly Augmentation[], random: HostRandom): string {
  let changed = text;
  for (const step of list) {
    if (step.name === "word-swap") changed = swapWords(changed, step.times, random);
    else if (step.name === "word-delete") changed = deleteWords(changed, step.p, random);
  }
  return changed;
}

/** Whether any change is one of pixels. */
export const changesImages = (list: readonly Augmentation[]): boolean =>
  list.some(({ name }) => name !== "word-swap" && name !== "word-delete");

/** An image after those changes of the list that are of pixels. `size`: that of the model's images, for a crop. */
export function augmentImage(
  image: RgbImage,
  list: readonly Augmentation[],
  size: number,
  random: HostRandom,
): RgbImage {
  let changed = image;
  for (const step of list) {
    if (step.name === "gaussian-noise") changed = gaussianNoise(changed, step, random);
    else if (step.name === "random-resized-crop") changed = randomResizedCrop(changed, step, size, random);
    else if (step.name === "flip") changed = flip(changed, step.p, random);
    else if (step.name === "rand-augment") changed = randAugment(changed, step, random);
  }
  return changed;
}

/** What BLIP pre-trains with, for `augment` of a run; MISS as published changes no image. */
export const BLIP_AUGMENTATIONS: readonly Augmentation[] = z
  .array(Augmentation)
  .parse([
    { name: "random-resized-crop", scale: [0.2, 1] },
    { name: "flip" },
    { name: "rand-augment" },
  ] satisfies AugmentationInput[]);
