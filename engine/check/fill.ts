import { decodeBf16, decodeF16, encodeBf16, encodeF16 } from "../../bindings/half.js";
import type { CaseTable, InputSpec, OpCase } from "../../kernels/case-table.js";
import type { DType, FloatDType } from "../../kernels/contract.js";
import { generator } from "./random.js";

export interface HostInput {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Rounded to `dtype`, so that every device starts from the same numbers. */
  readonly values: Float64Array;
}

export const roundTo: Readonly<Record<DType, (v: number) => number>> = {
  f32: Math.fround,
  bf16: (v) => rounded(Float64Array.of(v), "bf16")[0],
  f16: (v) => rounded(Float64Array.of(v), "f16")[0],
  i32: (v) => v,
  u32: (v) => v,
};

/** Values as they are after they were stored in `dtype`. */
export function rounded(values: Float64Array, dtype: DType): Float64Array {
  if (dtype === "i32" || dtype === "u32") return values;
  const single = Float32Array.from(values);
  if (dtype === "f32") return Float64Array.from(single);
  return Float64Array.from(dtype === "bf16" ? decodeBf16(encodeBf16(single)) : decodeF16(encodeF16(single)));
}

export function hostInput(spec: InputSpec, dtype: FloatDType, seed: string): HostInput {
  const object = Array.isArray(spec)
    ? { shape: spec as readonly number[] }
    : (spec as Exclude<InputSpec, readonly number[]>);
  const type: DType = "dtype" in object && object.dtype ? object.dtype : dtype;
  const { shape } = object;
  if ("values" in object) return { shape, dtype: type, values: Float64Array.from(object.values) };
  const random = generator(seed);
  const values = new Float64Array(shape.reduce((a, b) => a * b, 1));
  const { fill = "normal", scale = 1 } = object as { fill?: string; scale?: number };
  for (let i = 0; i < values.length; i++) {
    if ("low" in object) values[i] = random.integer(object.low, object.high);
    else {
      const v = fill === "positive" ? 0.5 + random.uniform() : random.normal();
      values[i] = scale * (fill === "spiky" && random.uniform() < 0.02 ? 30 * v : v);
    }
  }
  return { shape, dtype: type, values: rounded(values, type) };
}

export function hostInputs(c: OpCase, dtype: FloatDType): Record<string, HostInput> {
  return Object.fromEntries(
    Object.entries(c.inputs).map(([name, spec]) => [name, hostInput(spec, dtype, `${c.name}/${name}`)]),
  );
}

export const elements = (c: OpCase): number =>
  Object.values(c.inputs).reduce((sum, spec) => {
    const shape = Array.isArray(spec) ? spec : (spec as { shape: readonly number[] }).shape;
    return sum + shape.reduce((a: number, b: number) => a * b, 1);
  }, 0);

export const toleranceOf = (table: CaseTable, c: OpCase, dtype: FloatDType): number =>
  c.tolerance?.value[dtype] ?? table.tolerance[dtype];
