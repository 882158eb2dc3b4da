import type { HostRandom } from "../../../engine/index.js";
import { type RgbImage, resizeBicubic, type Window } from "../../images/resize.js";

export interface CropOptions {
  /** Smallest and largest share of the area. */
  readonly scale: readonly [number, number];
  /** Smallest and largest width : height. */
  readonly ratio: readonly [number, number];
}

/** torchvision's RandomResizedCrop: a random part of the image as a square of `size`, bicubic. */
export function randomResizedCrop(image: RgbImage, options: CropOptions, size: number, random: HostRandom): RgbImage {
  return resizeBicubic(cropped(image, cropWindow(image.width, image.height, options, random)), size, size);
}

/** Tries of torchvision's, before the largest part in the middle is taken that has an allowed aspect. */
const TRIES = 10;

export function cropWindow(width: number, height: number, { scale, ratio }: CropOptions, random: HostRandom): Window {
  const between = ([from, to]: readonly [number, number]) => from + (to - from) * random.uniform();
  for (let i = 0; i < TRIES; i++) {
    const area = width * height * between(scale);
    const aspect = Math.exp(between([Math.log(ratio[0]), Math.log(ratio[1])]));
    const w = Math.round(Math.sqrt(area * aspect));
    const h = Math.round(Math.sqrt(area / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height)
      return { top: random.below(height - h + 1), left: random.below(width - w + 1), width: w, height: h };
  }
  const aspect = width / height;
  const w = aspect > ratio[1] ? Math.max(1, Math.round(height * ratio[1])) : width;
  const h = aspect < ratio[0] ? Math.max(1, Math.round(width / ratio[0])) : height;
  return { top: (height - h) >> 1, left: (width - w) >> 1, width: w, height: h };
}

function cropped({ width, rgb }: RgbImage, window: Window): RgbImage {
  const out = new Uint8Array(window.width * window.height * 3);
  for (let y = 0; y < window.height; y++) {
    const from = ((window.top + y) * width + window.left) * 3;
    out.set(rgb.subarray(from, from + window.width * 3), y * window.width * 3);
  }
  return { width: window.width, height: window.height, rgb: out };
}
