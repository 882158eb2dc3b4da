import { io } from "../../engine/index.js";
import type { Golden } from "./comparison.js";

/** A golden tensor with its sizes. */
export type GoldenTensor = Golden & { readonly shape: readonly number[] };

/** All tensors of a file as numbers. */
export async function readAll(path: string): Promise<Map<string, GoldenTensor>> {
  const reader = await io.openCheckpoint(path);
  try {
    const all = new Map<string, GoldenTensor>();
    for (const name of reader.names) {
      const stored = reader.get(name);
      const integer = !/^(F|BF)/.test(stored.dtype);
      const values = integer ? await io.readInt32(stored) : await io.readFloat32(stored);
      all.set(name, { values, integer, shape: stored.shape });
    }
    return all;
  } finally {
    await reader.close();
  }
}
