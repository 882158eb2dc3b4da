/** From 8-bit pixels to the numbers a vision model reads: [3, height, width], float32. */
import type { RgbImage } from "./resize.js";

/** Value of a pixel 0..255 of one channel. */
export type Scaling = (pixel: number, channel: 0 | 1 | 2) => number;

/**
 * As MISS and MILE were published: divided by 255 twice, so the range is [0, 1/255]. Rounded to float32 each time.
 * Needed to compare with their weights and numbers; it all but blanks the image for a model trained from scratch.
 */
export const publishedScaling: Scaling = (pixel) => Math.fround(pixel / 255) / 255;

/** (x/255 - mean) / std, per channel. */
export function ordinaryScaling({ mean, std }: { mean: Triple; std: Triple }): Scaling {
  return (pixel, channel) => (pixel / 255 - mean[channel]) / std[channel];
}

type Triple = readonly [number, number, number];

/** Means and deviations of the images that common vision models were trained on. */
export const CHANNELS = {
  /** x/255*2 - 1: range [-1, 1], as ViT. */
  half: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  clip: { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] },
} as const satisfies Record<string, { mean: Triple; std: Triple }>;

export function toChannels({ width, height, rgb }: RgbImage, scaling: Scaling): Float32Array {
  const plane = width * height;
  const out = new Float32Array(3 * plane);
  for (const channel of [0, 1, 2] as const) {
    // 256 values exist, far fewer than pixels.
    const table = Float32Array.from({ length: 256 }, (_, pixel) => scaling(pixel, channel));
    for (let i = 0; i < plane; i++) out[channel * plane + i] = table[rgb[i * 3 + channel]];
  }
  return out;
}
