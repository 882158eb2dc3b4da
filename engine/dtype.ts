import { BYTES, type TypedArray } from "../bindings/device.js";
import { fromBf16, fromF16, toBf16, toF16 } from "../bindings/dtype-bits.js";
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
      return Uint16Array.from(values, toBf16);
    case "f16":
      return Uint16Array.from(values, toF16);
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
      return Float32Array.from(new Uint16Array(bytes), fromBf16);
    case "f16":
      return Float32Array.from(new Uint16Array(bytes), fromF16);
    default:
      return dtype satisfies never;
  }
}
