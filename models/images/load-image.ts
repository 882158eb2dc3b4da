import { platform } from "#platform";
import { io } from "../../engine/index.js";
import type { RgbImage } from "./resize.js";

/** An image: the path of its file, the file's bytes, or RGB pixels. */
export type ImageSource = string | Uint8Array | RgbImage;

/** The pixels of an image file (JPEG, PNG, ...); a grey image has three equal channels. Errors name the file. */
export async function readImage(path: string): Promise<RgbImage> {
  return platform.decodeImage(
    await io.readBytes(path, "It is an image: put it there, or name the folder of the images"),
    path,
  );
}

/** The pixels of an image, however it is given. `name` stands for one without a path in errors. */
export async function imagePixels(image: ImageSource, name = "image"): Promise<RgbImage> {
  if (typeof image === "string") return readImage(image);
  return image instanceof Uint8Array ? platform.decodeImage(image, name) : image;
}
