import type { HostRandom } from "../../../engine/index.js";
import type { RgbImage } from "../../images/resize.js";

/** Left and right change places, with probability `p`. */
export const flip = (image: RgbImage, p: number, random: HostRandom): RgbImage =>
  random.uniform() < p ? mirrored(image) : image;

export function mirrored({ width, height, rgb }: RgbImage): RgbImage {
  const out = new Uint8Array(rgb.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [from, to] = [(y * width + x) * 3, (y * width + width - 1 - x) * 3];
      for (let channel = 0; channel < 3; channel++) out[to + channel] = rgb[from + channel];
    }
  return { width, height, rgb: out };
}
