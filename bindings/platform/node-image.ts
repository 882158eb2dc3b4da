import { stat } from "node:fs/promises";
import { FileError } from "./file-error.js";
import type { DecodedImage } from "./platform.js";

/** JPEG, PNG, WebP, TIFF, ... to 8-bit sRGB, upright, through sharp, which loads with the first image. Alpha is dropped. */
export async function decodeImage(bytes: Uint8Array, label: string): Promise<DecodedImage> {
  const { default: sharp } = await import("sharp");
  try {
    const image = sharp(bytes, { failOn: "truncated" }).autoOrient();
    const { space, width, height } = await image.metadata();
    const large = tooLarge(width, height, bytes.length);
    if (large !== null) throw new Error(large);
    const upright = space === "cmyk" ? image.pipelineColourspace("cmyk").toColourspace("cmyk") : image.removeAlpha();
    const { data, info } = await (space === "cmyk" ? upright : upright.toColourspace("srgb"))
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    const expected = space === "cmyk" ? 4 : 3;
    if (info.channels !== expected) throw new Error(`${info.channels} channels instead of ${expected}`);
    const pixels = new Uint8Array(data.buffer, data.byteOffset, data.length);
    return { width: info.width, height: info.height, rgb: space === "cmyk" ? withoutInk(pixels) : pixels };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FileError(label, `not a readable image (${reason}). Copy it again, or take out its rows`, { cause });
  }
}

/** From four inks to light as Pillow does it, whatever profile there is: models were trained on what it gives. In place. */
function withoutInk(pixels: Uint8Array): Uint8Array {
  let to = 0;
  for (let from = 0; from < pixels.length; from += 4) {
    const light = 255 - pixels[from + 3];
    for (let ink = 0; ink < 3; ink++)
      pixels[to++] = Math.max(light - Math.round((pixels[from + ink] * light) / 255), 0);
  }
  return pixels.subarray(0, to);
}

/** By its size and header: 0.2 ms, whatever its size. */
export async function imageFault(path: string): Promise<string | null> {
  const found = await stat(path);
  if (found.isDirectory()) return "it is a folder";
  if (found.size === 0) return "the file is empty";
  const { default: sharp } = await import("sharp");
  try {
    const { width, height } = await sharp(path).metadata();
    return tooLarge(width, height, found.size);
  } catch (cause) {
    // Its message begins with the path.
    return `not a readable image (${(cause instanceof Error ? cause.message : String(cause)).replace(`${path}: `, "")})`;
  }
}

/**
 * A few bytes can claim a picture that fills the memory: what the pixels of a file take is at most twice the file and 64 MB, which is
 * 21 million of them whatever the file.
 */
function tooLarge(width: number, height: number, fileBytes: number): string | null {
  const most = Math.floor((64e6 + 2 * fileBytes) / 3);
  if (width * height <= most) return null;
  return `${width} x ${height} pixels are more than are read from a file of ${fileBytes} bytes, ${Math.floor(most / 1e6)} million. Make it smaller`;
}
