import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sizeOf } from "../../kernels/cost.js";
import type { HostTensor, HostTensors } from "../task.js";

/** An array in a file: raw, little-endian. */
export interface RawFile {
  readonly name: string;
  readonly file: string;
  readonly shape: readonly number[];
  readonly dtype: "f32" | "i32";
}

/** Of one read: more than 2 GiB at once are refused. */
const PIECE_BYTES = 2 ** 30;

export async function writeRaw(folder: string, tensors: HostTensors): Promise<RawFile[]> {
  const written: RawFile[] = [];
  for (const [i, [name, { shape, values }]] of Object.entries(tensors).entries()) {
    const file = join(folder, `input-${i}`);
    await writeFile(file, values);
    written.push({ name, file, shape, dtype: values instanceof Int32Array ? "i32" : "f32" });
  }
  return written;
}

export async function readRaw({ file, shape, dtype }: Omit<RawFile, "name">): Promise<HostTensor> {
  const buffer = await readBytes(file, 4 * sizeOf(shape));
  return { shape, values: dtype === "i32" ? new Int32Array(buffer) : new Float32Array(buffer) };
}

/** All of a file of floats. */
export async function readFloats(file: string): Promise<Float32Array> {
  return new Float32Array(await readBytes(file));
}

async function readBytes(file: string, expected?: number): Promise<ArrayBuffer> {
  await using handle = await open(file);
  const { size } = await handle.stat();
  if (expected !== undefined && size !== expected) throw new Error(`${file} has ${size} bytes, not ${expected}`);
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await handle.read(bytes, at, Math.min(PIECE_BYTES, size - at), at);
    if (bytesRead === 0) throw new Error(`${file} ended early`);
    at += bytesRead;
  }
  return bytes.buffer;
}
