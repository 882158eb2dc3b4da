import { platform } from "#platform";
import type { io, Tensor } from "../../engine/index.js";

/** A tensor of a device as a file gets it: f32, read when it is written. */
export function writable(name: string, t: Tensor): io.WritableTensor {
  return {
    name,
    dtype: "F32",
    shape: t.shape,
    read: async () => {
      const values = (await t.data()) as Float32Array;
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    },
  };
}

/** Replaces a text file, so that a reader sees the old one or the new one. */
export const writeText = (path: string, text: string) => platform.writeFile(path, [new TextEncoder().encode(text)]);
