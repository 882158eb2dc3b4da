/** Stored bytes to host arrays and back. Files are little-endian, and so is every machine this engine runs on. */
import { decodeBf16, decodeF16, encodeBf16, encodeF16 } from "../../bindings/half.js";
import { STORED_BYTES, type StoredDType, type StoredTensor, type WritableTensor } from "./stored-tensor.js";

if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) throw new Error("consilium needs a little-endian machine");

/** Host values that can be stored. */
export type Numbers = Float32Array | Float64Array | Int32Array | Uint32Array;

const INTEGER_RANGE = {
  I64: [-(2 ** 63), 2 ** 63 - 1024],
  I32: [-(2 ** 31), 2 ** 31 - 1],
  I16: [-32768, 32767],
  I8: [-128, 127],
  U8: [0, 255],
  U16: [0, 65535],
  U32: [0, 2 ** 32 - 1],
  U64: [0, 2 ** 64 - 2048],
  BOOL: [0, 1],
} as const;

type IntegerDType = keyof typeof INTEGER_RANGE;
type FloatDType = Exclude<StoredDType, IntegerDType>;

/** The values as float32: doubles and large integers are rounded to nearest. May share memory with `bytes`. */
export function toFloat32(bytes: Uint8Array, dtype: StoredDType): Float32Array {
  const aligned = align(bytes, dtype);
  const at = [aligned.buffer, aligned.byteOffset, aligned.byteLength / STORED_BYTES[dtype]] as const;
  switch (dtype) {
    case "F32":
      return new Float32Array(...at);
    case "F64":
      return Float32Array.from(new Float64Array(...at));
    case "F16":
      return decodeF16(new Uint16Array(...at));
    case "BF16":
      return decodeBf16(new Uint16Array(...at));
    case "I64":
    case "U64":
      return wideToFloat32(new Uint32Array(at[0], at[1], at[2] * 2), dtype === "I64");
    case "BOOL":
      return Float32Array.from(new Uint8Array(...at), (byte) => (byte === 0 ? 0 : 1));
    default:
      return new Float32Array(integers(aligned, dtype));
  }
}

/**
 * The values as int32. Throws RangeError, with index and value, for what does not fit, and TypeError for floating-point
 * types. `label` names the tensor in errors. May share memory with `bytes`.
 */
export function toInt32(bytes: Uint8Array, dtype: StoredDType, label = "tensor"): Int32Array {
  const aligned = align(bytes, dtype);
  switch (dtype) {
    case "F64":
    case "F32":
    case "F16":
    case "BF16":
      throw new TypeError(`${label}: ${dtype} values are no integers; read them with toFloat32`);
    case "I32":
      return new Int32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
    case "I64":
    case "U64":
      return wideToInt32(aligned, dtype, label);
    case "BOOL":
      return Int32Array.from(aligned, (byte) => (byte === 0 ? 0 : 1));
    case "U32": {
      const values = integers(aligned, dtype) as Uint32Array;
      const large = values.findIndex((value) => value > 0x7fffffff);
      if (large >= 0) throw outside(label, large, values[large]);
      return new Int32Array(values.buffer, values.byteOffset, values.length);
    }
    default:
      return new Int32Array(integers(aligned, dtype));
  }
}

/**
 * The bytes of `values` stored as `dtype`. Floating-point types round to nearest even (doubles by way of float32); integer types throw RangeError for
 * a fraction or a value out of range. May share memory with `values`.
 */
export function toBytes(values: Numbers, dtype: StoredDType, label = "tensor"): Uint8Array {
  if (!isInteger(dtype)) return floatBytes(values, dtype);
  const [low, high] = INTEGER_RANGE[dtype];
  if (dtype === "U32" && values instanceof Uint32Array) return bytesOf(values);
  const bad = values.findIndex((value: number) => !(Number.isInteger(value) && value >= low && value <= high));
  if (bad >= 0) throw new RangeError(`${label}: element ${bad} is ${values[bad]}, which ${dtype} cannot hold`);
  return bytesOf(integerArray(values, dtype));
}

/** A tensor for the writers, encoded when its turn comes. */
export function writable(name: string, shape: readonly number[], values: Numbers, dtype: StoredDType): WritableTensor {
  return { name, shape, dtype, read: () => toBytes(values, dtype, name) };
}

/** The values of a stored tensor as float32. */
export const readFloat32 = async (tensor: StoredTensor): Promise<Float32Array> =>
  toFloat32(await tensor.read(), tensor.dtype);
/** The values of a stored tensor as int32. Throws FileFormatError where one does not fit. */
export const readInt32 = async (tensor: StoredTensor): Promise<Int32Array> =>
  toInt32(await tensor.read(), tensor.dtype, tensor.name);

const isInteger = (dtype: StoredDType): dtype is IntegerDType => Object.hasOwn(INTEGER_RANGE, dtype);
const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Typed views need aligned offsets, which a slice of a pooled buffer may not have. */
function align(bytes: Uint8Array, dtype: StoredDType): Uint8Array {
  const size = STORED_BYTES[dtype];
  if (bytes.byteLength % size !== 0)
    throw new RangeError(`${bytes.byteLength} bytes are no whole number of ${dtype} values`);
  // Not slice(): that of Node's Buffer is a view.
  return bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
}

function integers({ buffer, byteOffset, byteLength }: Uint8Array, dtype: "I32" | "I16" | "I8" | "U8" | "U16" | "U32") {
  switch (dtype) {
    case "I32":
      return new Int32Array(buffer, byteOffset, byteLength / 4);
    case "I16":
      return new Int16Array(buffer, byteOffset, byteLength / 2);
    case "I8":
      return new Int8Array(buffer, byteOffset, byteLength);
    case "U8":
      return new Uint8Array(buffer, byteOffset, byteLength);
    case "U16":
      return new Uint16Array(buffer, byteOffset, byteLength / 2);
    case "U32":
      return new Uint32Array(buffer, byteOffset, byteLength / 4);
    default:
      return dtype satisfies never;
  }
}

/** 64-bit integers as pairs of words: several times as fast as BigInt64Array. */
function wideToFloat32(words: Uint32Array, signed: boolean): Float32Array {
  const out = new Float32Array(words.length / 2);
  for (let i = 0; i < out.length; i++) {
    const high = signed ? words[2 * i + 1] | 0 : words[2 * i + 1];
    out[i] = high * 2 ** 32 + words[2 * i];
  }
  return out;
}

function wideToInt32(bytes: Uint8Array, dtype: "I64" | "U64", label: string): Int32Array {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const out = new Int32Array(words.length / 2);
  for (let i = 0; i < out.length; i++) {
    const low = words[2 * i];
    const high = words[2 * i + 1];
    // The high word must be the low one's sign; an unsigned value with a high word of -1 is huge.
    if (high !== low >> 31 || (dtype === "U64" && high !== 0)) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + 8 * i, 8);
      throw outside(label, i, dtype === "I64" ? view.getBigInt64(0, true) : view.getBigUint64(0, true));
    }
    out[i] = low;
  }
  return out;
}

const outside = (label: string, index: number, value: number | bigint) =>
  new RangeError(`${label}: element ${index} is ${value}, which int32 cannot hold`);

function floatBytes(values: Numbers, dtype: FloatDType): Uint8Array {
  if (dtype === "F64") return bytesOf(values instanceof Float64Array ? values : Float64Array.from(values));
  const singles = values instanceof Float32Array ? values : Float32Array.from(values);
  switch (dtype) {
    case "F32":
      return bytesOf(singles);
    case "F16":
      return bytesOf(encodeF16(singles));
    case "BF16":
      return bytesOf(encodeBf16(singles));
    default:
      return dtype satisfies never;
  }
}

function integerArray(values: Numbers, dtype: IntegerDType): ArrayBufferView {
  switch (dtype) {
    case "I64":
      return BigInt64Array.from(values as Float64Array, BigInt);
    case "U64":
      return BigUint64Array.from(values as Float64Array, BigInt);
    case "I32":
      return Int32Array.from(values);
    case "I16":
      return Int16Array.from(values);
    case "I8":
      return Int8Array.from(values);
    case "U16":
      return Uint16Array.from(values);
    case "U32":
      return Uint32Array.from(values);
    case "U8":
    case "BOOL":
      return Uint8Array.from(values);
    default:
      return dtype satisfies never;
  }
}
