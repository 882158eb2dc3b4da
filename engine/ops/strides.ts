import { OptionError, ShapeError } from "../errors.js";
import type { Shape } from "../shape.js";

/** Dimensions that the strided kernels take. */
const RANK = 6;

/** Strides of a contiguous tensor, in elements. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

/** Strides that read a contiguous tensor of shape `from` as if it had the shape `to`, which it broadcasts to. */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const strides = contiguousStrides(from);
  const missing = to.length - from.length;
  return to.map((_, i) => (i < missing || from[i - missing] === 1 ? 0 : strides[i - missing]));
}

/** Sizes and one list of strides per operand, outermost dimension first. */
export interface Grid {
  readonly sizes: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

/**
 * The same elements in the same order with as few dimensions as possible: those of size 1 are dropped, neighbours that
 * every operand walks through without a jump become one.
 */
export function collapse(sizes: readonly number[], strides: readonly (readonly number[])[]): Grid {
  const outSizes: number[] = [];
  const outStrides: number[][] = strides.map(() => []);
  for (let i = 0; i < sizes.length; i++) {
    if (sizes[i] === 1) continue;
    const last = outSizes.length - 1;
    if (last >= 0 && outStrides.every((s, k) => s[last] === strides[k][i] * sizes[i])) {
      outSizes[last] *= sizes[i];
      for (let k = 0; k < strides.length; k++) outStrides[k][last] = strides[k][i];
    } else {
      outSizes.push(sizes[i]);
      for (let k = 0; k < strides.length; k++) outStrides[k].push(strides[k][i]);
    }
  }
  return { sizes: outSizes, strides: outStrides };
}

/** A list of `rank` params, filled up in front. */
export function padded(op: string, values: readonly number[], filler: number, rank = RANK): readonly number[] {
  if (values.length > rank)
    throw new ShapeError(
      `${op}: ${values.length} dimensions remain after merging those that lie together; at most ${rank} are supported. ` +
        "Do it in two steps.",
    );
  return values.length === rank ? values : [...new Array<number>(rank - values.length).fill(filler), ...values];
}

/** A count given as an option. */
export function checkCount(op: string, name: string, value: number): number {
  if (!Number.isInteger(value) || value < 0)
    throw new OptionError(`${op}: ${name} is ${value}; a whole number from 0 on is needed.`);
  return value;
}
