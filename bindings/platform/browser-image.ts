import { FileError } from "./file-error.js";
import type { DecodedImage } from "./platform.js";

/**
 * Any format that the browser knows, to 8-bit sRGB, upright as its metadata says. Alpha is dropped. The pixels come from a
 * WebGL texture: a 2D canvas keeps them multiplied by alpha, and what is transparent would come back black.
 */
export async function decodeImage(bytes: Uint8Array, label: string): Promise<DecodedImage> {
  try {
    const bitmap = await createImageBitmap(new Blob([bytes as Uint8Array<ArrayBuffer>]), { premultiplyAlpha: "none" });
    try {
      const { width, height } = bitmap;
      return { width, height, rgb: withoutAlpha(pixelsOf(bitmap)) };
    } finally {
      bitmap.close();
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FileError(label, `not a readable image (${reason}). Copy it again, or take out its rows`, { cause });
  }
}

/** One for all images: browsers keep only some alive. */
let context: WebGL2RenderingContext | null = null;

function webgl(): WebGL2RenderingContext {
  if (context === null || context.isContextLost()) context = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (context === null) throw new Error("the browser has no WebGL 2 to read its pixels with");
  return context;
}

function pixelsOf(bitmap: ImageBitmap): Uint8Array {
  const gl = webgl();
  const most = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number;
  const { width, height } = bitmap;
  if (Math.max(width, height) > most)
    throw new Error(`${width} x ${height} pixels; this browser reads at most ${most} a side`);
  const texture = gl.createTexture();
  const frame = gl.createFramebuffer();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  const rgba = new Uint8Array(width * height * 4);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
  gl.deleteFramebuffer(frame);
  gl.deleteTexture(texture);
  if (gl.getError() !== gl.NO_ERROR) throw new Error("WebGL could not read its pixels");
  return rgba;
}

function withoutAlpha(rgba: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from];
    rgb[to + 1] = rgba[from + 1];
    rgb[to + 2] = rgba[from + 2];
  }
  return rgb;
}
