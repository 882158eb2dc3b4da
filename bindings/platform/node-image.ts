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
