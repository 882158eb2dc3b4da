/** Operations on values of pixels, as Pillow's ImageOps and ImageEnhance do them, but for the border that Sharpness leaves. */
import type { RgbImage } from "../../images/resize.js";

/** The table that each channel goes through. */
function throughTables({ width, height, rgb }: RgbImage, tableOf: (channel: number) => Uint8Array): RgbImage {
  const tables = [0, 1, 2].map(tableOf);
  return { width, height, rgb: rgb.map((value, i) => tables[i % 3][value]) };
}

const table = (value: (i: number) => number) =>
  Uint8Array.from({ length: 256 }, (_, i) => Math.min(Math.max(Math.trunc(value(i)), 0), 255));

/** Each channel stretched to 0..255. */
export function autoContrast(image: RgbImage): RgbImage {
  return throughTables(image, (channel) => {
    let [low, high] = [255, 0];
    for (let i = channel; i < image.rgb.length; i += 3) {
      low = Math.min(low, image.rgb[i]);
      high = Math.max(high, image.rgb[i]);
    }
    if (high <= low) return table((i) => i);
    const scale = 255 / (high - low);
    return table((i) => i * scale - low * scale);
  });
}

/** Each channel so that its values are about equally frequent. */
export function equalize(image: RgbImage): RgbImage {
  return throughTables(image, (channel) => {
    const counts = new Float64Array(256);
    for (let i = channel; i < image.rgb.length; i += 3) counts[image.rgb[i]]++;
    const last = counts.findLast((count) => count > 0) ?? 0;
    const step = Math.floor((image.rgb.length / 3 - last) / 255);
    if (step === 0) return table((i) => i);
    let below = Math.floor(step / 2);
    return table((i) => {
      const level = Math.floor(below / step);
      below += counts[i];
      return level;
    });
  });
}

export const brightness = (image: RgbImage, factor: number): RgbImage =>
  throughTables(image, () => table((i) => Math.fround(i * Math.fround(factor))));

/** Away from what a 3 x 3 blur (5 in the middle, 1 around) makes of it; below 1 towards that. The border stays. */
export function sharpness(image: RgbImage, factor: number): RgbImage {
  if (factor === 1) return image;
  const { width, height, rgb } = image;
  const out = rgb.slice();
  const pitch = width * 3;
  for (let y = 1; y < height - 1; y++)
    for (let i = y * pitch + 3; i < (y + 1) * pitch - 3; i++) {
      let sum = 4 * rgb[i];
      for (let row = i - pitch; row <= i + pitch; row += pitch) sum += rgb[row - 3] + rgb[row] + rgb[row + 3];
      const blurred = Math.round(sum / 13);
      const sharp = Math.fround(blurred + Math.fround(Math.fround(factor) * (rgb[i] - blurred)));
      out[i] = Math.min(Math.max(Math.trunc(sharp), 0), 255);
    }
  return { width, height, rgb: out };
}
