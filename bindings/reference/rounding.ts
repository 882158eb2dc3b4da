import type { DType, NumberArray } from "../../kernels/contract.js";
import { BYTES } from "../device.js";
import { decodeBf16, decodeF16, encodeBf16, encodeF16 } from "../half.js";

/** Rounds float64 values to what the storage type can hold. Integers live in their own views and need none. */
export function roundInPlace(values: Float64Array, dtype: DType): void {
  if (dtype === "f32") for (let i = 0; i < values.length; i++) values[i] = Math.fround(values[i]);
  else if (dtype === "bf16") values.set(decodeBf16(encodeBf16(Float32Array.from(values))));
  else if (dtype === "f16") values.set(decodeF16(encodeF16(Float32Array.from(values))));
}

/** Bytes in storage format into working values. */
export function fromStorage(data: ArrayBufferView, dtype: DType, out: NumberArray): void {
  const halves = () => new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
  if (dtype === "bf16") out.set(decodeBf16(halves()));
  else if (dtype === "f16") out.set(decodeF16(halves()));
  else out.set(data as Float32Array | Int32Array | Uint32Array);
}

export function toStorage(values: NumberArray, length: number, dtype: DType): ArrayBuffer {
  const bytes = new ArrayBuffer(length * BYTES[dtype]);
  const used = values.subarray(0, length);
  if (dtype === "f32") new Float32Array(bytes).set(used);
  else if (dtype === "i32") new Int32Array(bytes).set(used);
  else if (dtype === "u32") new Uint32Array(bytes).set(used);
  else new Uint16Array(bytes).set((dtype === "bf16" ? encodeBf16 : encodeF16)(Float32Array.from(used)));
  return bytes;
}
