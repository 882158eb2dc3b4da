import type { TypedArray } from "../../bindings/device.js";
import type { DType } from "../../kernels/contract.js";
import { BYTES, encode, isFloat } from "../dtype.js";
import { ShapeError } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { toFloat32, toInt32 } from "./convert.js";
import { STORED_BYTES, type StoredDType, type StoredTensor } from "./stored-tensor.js";

/** The same bits in a file and on a device. */
export const STORED: Readonly<Record<DType, StoredDType>> = {
  f32: "F32",
  bf16: "BF16",
  f16: "F16",
  i32: "I32",
  u32: "U32",
};

/** Bytes that are in memory at a time, beside the tensor itself: few enough to be in the cache still when they are copied on. */
const PIECE = 4 << 20;
/** Buffers of that size that nobody reads into now. New ones would cost more than the copy: their pages have to be made. */
const spare: Uint8Array[] = [];

/**
 * Overwrites `t` with the values of stored tensors, one after the other, as they come from the file: bits as they are where the
 * types agree, else converted. Throws ShapeError where they are not as many elements.
 */
export async function fillTensor(t: Tensor, parts: readonly StoredTensor[]): Promise<void> {
  const sizes = checkSizes("fillTensor", t, parts);
  t.storage.changed();
  // A device takes pieces where whole words begin and end.
  const words = sizes.slice(0, -1).every((n) => (n * BYTES[t.dtype]) % 4 === 0);
  if (!words) return t.write(await whole(t, parts, sizes));
  let start = 0;
  for (const part of parts)
    for await (const bytes of pieces(part)) {
      const same = part.dtype === STORED[t.dtype];
      const values = same ? elements(bytes, t.dtype) : encode(numbers(bytes, part, t.dtype), t.dtype);
      t.device.write(t.storage, values, t.dtype, start);
      start += bytes.length / STORED_BYTES[part.dtype];
      // Uploads that a device has not come to yet are in memory, too.
      await t.device.ready();
    }
}

/** Elements of each part. Throws ShapeError where they are not those of `t` together, and where `t` is gone. */
export function checkSizes(use: string, t: Tensor, parts: readonly StoredTensor[]): number[] {
  const sizes = parts.map(({ byteLength, dtype }) => byteLength / STORED_BYTES[dtype]);
  if (sizes.reduce((a, b) => a + b, 0) !== t.size)
    throw new ShapeError(
      `${use}: ${t} holds ${t.size} elements, ${parts.map(({ name }) => name).join(", ")} ${sizes.join(" + ")}.`,
    );
  t.check(use);
  return sizes;
}

/** The same bits as a typed array, which needs an aligned beginning. */
function elements(bytes: Uint8Array, dtype: DType): TypedArray {
  const Elements = { f32: Float32Array, bf16: Uint16Array, f16: Uint16Array, i32: Int32Array, u32: Uint32Array }[dtype];
  const { buffer, byteOffset, byteLength } = byteAligned(bytes, BYTES[dtype]);
  return new Elements(buffer as ArrayBuffer, byteOffset, byteLength / BYTES[dtype]);
}

// Not slice(): that of Node's Buffer is a view.
const byteAligned = (bytes: Uint8Array, size: number) =>
  bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);

/** Each is gone when the next one is asked for. */
async function* pieces(part: StoredTensor): AsyncGenerator<Uint8Array> {
  if (!part.readPart) {
    yield await part.read();
    return;
  }
  const buffer = spare.pop() ?? new Uint8Array(PIECE);
  try {
    for (let from = 0; from < part.byteLength; from += PIECE)
      yield await part.readPart(from, Math.min(PIECE, part.byteLength - from), buffer);
  } finally {
    spare.push(buffer);
  }
}

const numbers = (bytes: Uint8Array, { dtype, name }: StoredTensor, to: DType) =>
  isFloat(to) ? toFloat32(bytes, dtype) : toInt32(bytes, dtype, name);

async function whole(t: Tensor, parts: readonly StoredTensor[], sizes: readonly number[]): Promise<ArrayLike<number>> {
  const all = isFloat(t.dtype) ? new Float32Array(t.size) : new Int32Array(t.size);
  let start = 0;
  for (const [i, part] of parts.entries()) {
    all.set(numbers(await part.read(), part, t.dtype), start);
    start += sizes[i];
  }
  return all;
}
