import { platform } from "#platform";
import { io } from "../../engine/index.js";
import type { RgbImage } from "./resize.js";

/** The pixels of an image file (JPEG, PNG, ...); a grey image has three equal channels. Errors name the file. */
export async function readImage(path: string): Promise<RgbImage> {
  return platform.decodeImage(
    await io.readBytes(path, "It is an image: put it there, or name the folder of the images"),
    path,
  );
}
