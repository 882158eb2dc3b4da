import { BYTES, type TypedArray } from "../bindings/device.js";
import { decodeBf16, decodeF16, encodeBf16, encodeF16 } from "../bindings/half.js";
import type { DType, FloatDType } from "../kernels/contract.js";

export type { DType, FloatDType } from "../kernels/contract.js";
export { BYTES };

export const isFloat = (dtype: DType): dtype is FloatDType => dtype === "f32" || dtype === "bf16" || dtype === "f16";

/** Host numbers to the storage format of `dtype`. */
export function encode(values: ArrayLike<number>, dtype: DType): TypedArray {
  switch (dtype) {
    case "f32":
      return values instanceof Float32Array ? values : Float32Array.from(values);
    case "i32":
      return values instanceof Int32Array ? values : Int32Array.from(values);
    case "u32":
      return values instanceof Uint32Array ? values : Uint32Array.from(values);
    case "bf16":
      return encodeBf16(encode(values, "f32") as Float32Array);
    case "f16":
      return encodeF16(encode(values, "f32") as Float32Array);
    default:
      return dtype satisfies never;
  }
}

/** Bytes in the storage format of `dtype` to host numbers: f32 for every floating type. */
export function decode(bytes: ArrayBuffer, dtype: DType): Float32Array | Int32Array | Uint32Array {
  switch (dtype) {
    case "f32":
      return new Float32Array(bytes);
    case "i32":
      return new Int32Array(bytes);
    case "u32":
      return new Uint32Array(bytes);
    case "bf16":
      return decodeBf16(new Uint16Array(bytes));
    case "f16":
      return decodeF16(new Uint16Array(bytes));
    default:
      return dtype satisfies never;
  }
}
