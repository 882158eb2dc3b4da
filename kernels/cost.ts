/** Sizes of a case's inputs, which its cost is made of: see `Cost` in case-table.ts for what counts. */
import type { InputSpec } from "./case-table.js";
import type { DType, FloatDType } from "./contract.js";

/** Bytes of a stored value; an index or an offset is an i32. */
export const BYTES: Readonly<Record<DType, number>> = { f32: 4, bf16: 2, f16: 2, i32: 4, u32: 4 };

export const product = (sizes: readonly number[]): number => sizes.reduce((n, size) => n * size, 1);

/** Of an absent input: none. */
export const shapeOf = (spec: InputSpec | undefined): readonly number[] =>
  spec ? ("shape" in spec ? spec.shape : spec) : [0];

/** Elements; of an absent input 0. */
export const sizeOf = (spec: InputSpec | undefined): number => product(shapeOf(spec));

/** Bytes of an element of an input in a call of that storage type: it may have a type of its own. */
export const bytesOfOne = (spec: InputSpec, dtype: FloatDType): number =>
  BYTES[("dtype" in spec && spec.dtype) || dtype];

/** Bytes of an input; of an absent one 0. */
export const bytesOf = (spec: InputSpec | undefined, dtype: FloatDType): number =>
  spec ? sizeOf(spec) * bytesOfOne(spec, dtype) : 0;
