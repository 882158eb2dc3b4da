/**
 * RandAugment (Cubuk et al., arXiv 1909.13719) with the ten operations that BLIP takes, and its levels. Level 5, BLIP's, makes
 * Brightness and Sharpness a factor of 1: they change nothing, as in BLIP.
 */
import type { HostRandom } from "../../../engine/index.js";
import type { RgbImage } from "../../images/resize.js";
import { autoContrast, brightness, equalize, sharpness } from "./colours.js";
import { rotate, shear, translate } from "./warp.js";

export interface RandAugmentOptions {
  /** Operations drawn, with repetition. */
  readonly n: number;
  /** Level, of 10. */
  readonly m: number;
  /** Probability that one that was drawn is done. */
  readonly p: number;
}

type Operation = (image: RgbImage, level: number, random: HostRandom) => RgbImage;

const factor = (level: number) => (level / 10) * 1.8 + 0.1;
const signed = (size: number, random: HostRandom) => (random.uniform() > 0.5 ? -size : size);

type Name =
  | "Identity"
  | "AutoContrast"
  | "Brightness"
  | "Sharpness"
  | "Equalize"
  | `${"Shear" | "Translate"}${"X" | "Y"}`
  | "Rotate";

/** Largest: a shear of 0.3, 10 pixels, 30 degrees. */
export const operations: Readonly<Record<Name, Operation>> = {
  Identity: (image) => image,
  AutoContrast: (image) => autoContrast(image),
  Brightness: (image, level) => brightness(image, factor(level)),
  Sharpness: (image, level) => sharpness(image, factor(level)),
  Equalize: (image) => equalize(image),
  ShearX: (image, level, random) => shear(image, signed((level / 10) * 0.3, random), 0),
  ShearY: (image, level, random) => shear(image, 0, signed((level / 10) * 0.3, random)),
  TranslateX: (image, level, random) => translate(image, signed(level, random), 0),
  TranslateY: (image, level, random) => translate(image, 0, signed(level, random)),
  Rotate: (image, level, random) => rotate(image, signed((level / 10) * 30, random)),
};

const names = Object.keys(operations) as Name[];

export function randAugment(image: RgbImage, { n, m, p }: RandAugmentOptions, random: HostRandom): RgbImage {
  const drawn = Array.from({ length: n }, () => names[random.below(names.length)]);
  return drawn.reduce(
    (changed, name) => (random.uniform() > p ? changed : operations[name](changed, m, random)),
    image,
  );
}
