import { platform } from "#platform";
import { io } from "../../engine/index.js";
import { type RgbImage, resizeBilinear } from "./resize.js";
import { type Scaling, toChannels } from "./scaling.js";

/** The pixels of an image file (JPEG, PNG, ...); a grey image has three equal channels. Errors name the file. */
export async function readImage(path: string): Promise<RgbImage> {
  return platform.decodeImage(
    await io.readBytes(path, "It is an image: put it there, or name the folder of the images"),
    path,
  );
}

/** One grey value a pixel, as in medical formats, to three equal channels. */
export function repeatGrey(width: number, height: number, grey: Uint8Array): RgbImage {
  const rgb = new Uint8Array(grey.length * 3);
  for (let i = 0; i < grey.length; i++) rgb.fill(grey[i], i * 3, i * 3 + 3);
  return { width, height, rgb };
}

/** [3, size, size]: squeezed to a square (the aspect is not kept, as published), then scaled. */
export function preprocess(image: RgbImage, size: number, scaling: Scaling): Float32Array {
  return toChannels(resizeBilinear(image, size, size), scaling);
}
