import { stat } from "node:fs/promises";
import type { DecodedImage } from "./platform.js";

/** JPEG, PNG, WebP, TIFF, ... to 8-bit sRGB, upright, through sharp, which loads with the first image. Alpha is dropped. */
export async function decodeImage(bytes: Uint8Array, label: string): Promise<DecodedImage> {
  const { default: sharp } = await import("sharp");
  try {
    const { data, info } = await sharp(bytes, { failOn: "truncated" })
      .autoOrient()
      .removeAlpha()
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`${info.channels} channels instead of 3`);
    return {
      width: info.width,
      height: info.height,
      rgb: new Uint8Array(data.buffer, data.byteOffset, data.length),
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${label}: not a readable image (${reason}). Copy it again, or take out its rows`, { cause });
  }
}

/** By its size and header: 0.2 ms, whatever its size. */
export async function imageFault(path: string): Promise<string | null> {
  const found = await stat(path);
  if (found.isDirectory()) return "it is a folder";
  if (found.size === 0) return "the file is empty";
  const { default: sharp } = await import("sharp");
  try {
    const { width, height } = await sharp(path).metadata();
    return width * height <= MOST_PIXELS ? null : `${width} x ${height} pixels are more than can be read`;
  } catch (cause) {
    // Its message begins with the path.
    return `not a readable image (${(cause instanceof Error ? cause.message : String(cause)).replace(`${path}: `, "")})`;
  }
}

/** Sharp's own limit. */
const MOST_PIXELS = 0x3fff ** 2;
