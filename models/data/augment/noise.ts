import type { HostRandom } from "../../../engine/index.js";
import type { RgbImage } from "../../images/resize.js";

export interface NoiseOptions {
  readonly p: number;
  readonly variance: number;
  readonly published: boolean;
}

/**
 * Adds normal noise to every value of every pixel, with probability `p`. `variance` is that of values from 0 to 1; the result
 * is rounded and kept in range. `published`: the variance is that of values from 0 to 255, where 0.1 all but vanishes; the
 * result is cut to whole numbers towards 0 and taken modulo 256, as NumPy's cast to uint8 does.
 */
export function gaussianNoise(image: RgbImage, { p, variance, published }: NoiseOptions, random: HostRandom): RgbImage {
  if (random.uniform() >= p) return image;
  const deviation = Math.sqrt(variance) * (published ? 1 : 255);
  const values = Float64Array.from(image.rgb, (value) => value + deviation * random.normal());
  const rgb = published ? Uint8Array.from(values, Math.trunc) : new Uint8Array(Uint8ClampedArray.from(values).buffer);
  return { ...image, rgb };
}
