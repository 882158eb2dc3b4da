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
  /** Two random words change places, so often. */
  z.strictObject({ name: z.literal("word-swap"), times: z.int().positive().default(2) }),
  /** Each word is left out with probability p; one always stays. */
  z.strictObject({ name: z.literal("word-delete"), p: p.default(0.2) }),
  /** Normal noise with probability p; its variance is that of pixels from 0 to 1. */
  z.strictObject({
    name: z.literal("gaussian-noise"),
    p: p.default(0.5),
    variance: z.number().positive().default(0.1),
    /** As MISS was published: the variance is that of pixels from 0 to 255, and what leaves their range comes in at its other end. */
    published: z.boolean().default(false),
  }),
  /** A random part of the image by its share of the area and its aspect, resized to the model's size (bicubic). */
  z.strictObject({
    name: z.literal("random-resized-crop"),
    scale: range.default([0.5, 1]),
    ratio: range.default([3 / 4, 4 / 3]),
  }),
  /** Left and right change places. A question about sides then has the wrong answer: for pre-training. */
  z.strictObject({ name: z.literal("flip"), p: p.default(0.5) }),
  /** n of BLIP's ten operations by chance, each done with probability p, at level m of 10. */
  z.strictObject({
    name: z.literal("rand-augment"),
    n: z.int().positive().default(2),
    m: z.number().min(0).max(10).default(5),
    p: p.default(0.5),
  }),
]);
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

/** BLIP's for pre-training. */
export const BLIP_AUGMENTATIONS: readonly Augmentation[] = z
  .array(Augmentation)
  .parse([{ name: "random-resized-crop" }, { name: "flip" }, { name: "rand-augment" }] satisfies AugmentationInput[]);
