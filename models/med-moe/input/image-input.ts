/** From the pixels of an image to what the CLIP tower reads, as the published pipeline does it with Pillow. */
import { type RgbImage, resizeBicubic } from "../../images/resize.js";
import { CHANNELS, ordinaryScaling, toChannels } from "../../images/scaling.js";
import { centreSquare, padToSquare } from "../../images/square.js";

/** What an image is read for. */
export type ImagePurpose = "align" | "instruct" | "router" | "moe" | "eval" | "chat";

/**
 * Whether images are padded to squares, or lose the ends of their long side. As published: tuning pads, alignment, the
 * router's training and evaluation do not, and chat does where the model's config says `image_aspect_ratio: "pad"`.
 */
export function padsImages(purpose: ImagePurpose, aspectRatio?: string): boolean {
  switch (purpose) {
    case "instruct":
    case "moe":
      return true;
    case "align":
    case "router":
    case "eval":
      return false;
    case "chat":
      return aspectRatio === "pad";
  }
}

const { mean } = CHANNELS.clip;
const MEAN_COLOUR = [Math.trunc(255 * mean[0]), Math.trunc(255 * mean[1]), Math.trunc(255 * mean[2])] as const;

/**
 * `size` x `size` pixels: with `pad` all of the image on a square of the mean colour, else the square in its middle. The
 * shorter side is resized to `size`, bicubic.
 */
export function squarePixels(image: RgbImage, size: number, pad: boolean): RgbImage {
  const source = pad ? padToSquare(image, MEAN_COLOUR) : image;
  const { width, height } = source;
  const longer = Math.trunc((size * Math.max(width, height)) / Math.min(width, height));
  const [toWidth, toHeight] = width <= height ? [size, longer] : [longer, size];
  return resizeBicubic(source, toWidth, toHeight, centreSquare(toWidth, toHeight, size));
}

const scaling = ordinaryScaling(CHANNELS.clip);

/** The numbers of `squarePixels`: [3, size, size], each channel less its mean, by its deviation. */
export const pixelValues = (image: RgbImage, size: number, pad: boolean): Float32Array =>
  scaled(squarePixels(image, size, pad));

/** Those of an image that is square already. */
export const scaled = (square: RgbImage): Float32Array => toChannels(square, scaling);

/** What stands for the image of a text without one: zeros after normalising, so no black picture. */
export const dummyImage = (size: number): Float32Array => new Float32Array(3 * size * size);
