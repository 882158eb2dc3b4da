import type { DType, NumberArray } from "../../kernels/contract.js";
import { BYTES } from "../device.js";
import { fromBf16, fromF16, toBf16, toF16 } from "../dtype-bits.js";

/** Rounds float64 values to what the storage type can hold. Integers live in their own views and need none. */
export function roundInPlace(values: Float64Array, dtype: DType): void {
  if (dtype === "f32") for (let i = 0; i < values.length; i++) values[i] = Math.fround(values[i]);
  else if (dtype === "bf16") for (let i = 0; i < values.length; i++) values[i] = fromBf16(toBf16(values[i]));
  else if (dtype === "f16") for (let i = 0; i < values.length; i++) values[i] = fromF16(toF16(values[i]));
}

/** Bytes in storage format into working values. */
export function fromStorage(data: ArrayBufferView, dtype: DType, out: NumberArray): void {
  if (dtype === "bf16" || dtype === "f16") {
    const bits = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
    const convert = dtype === "bf16" ? fromBf16 : fromF16;
    for (let i = 0; i < bits.length; i++) out[i] = convert(bits[i]);
  } else out.set(data as Float32Array | Int32Array | Uint32Array);
}

export function toStorage(values: NumberArray, length: number, dtype: DType): ArrayBuffer {
  const bytes = new ArrayBuffer(length * BYTES[dtype]);
  if (dtype === "f32") new Float32Array(bytes).set(values.subarray(0, length));
  else if (dtype === "i32") new Int32Array(bytes).set(values.subarray(0, length));
  else if (dtype === "u32") new Uint32Array(bytes).set(values.subarray(0, length));
  else {
    const bits = new Uint16Array(bytes);
    const convert = dtype === "bf16" ? toBf16 : toF16;
    for (let i = 0; i < length; i++) bits[i] = convert(values[i]);
  }
  return bytes;
}
