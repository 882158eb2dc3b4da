import type { HostInput } from "../../engine/check/fill.js";
import type { OpCase } from "../../kernels/case-table.js";

/**
 * A part of a case that a plain loop can compute alone: some indices along one axis of the inputs named, the others whole.
 * `output` is the axis of y that they select, from which dy is cut too. Gradients of the inputs named are then those of
 * the whole case at these indices; the others are sums over what was left out.
 */
export interface Slicing {
  readonly inputs: Readonly<Record<string, number>>;
  readonly output: number;
}

const slicing = (output: number, inputs: Slicing["inputs"]): Slicing => ({ inputs, output });

/** By name of the op: rows, then columns of a product; heads. */
const SLICINGS: Readonly<Record<string, (c: OpCase) => readonly Slicing[]>> = {
  matmul: ({ options, inputs }) => [
    slicing(0, { a: options?.transposeA ? 1 : 0 }),
    slicing(1, { b: options?.transposeB ? 0 : 1, ...("bias" in inputs && { bias: 0 }) }),
  ],
  groupedGemm: ({ options, inputs }) => [
    slicing(1, { weight: options?.transposed ? 1 : 2, ...("bias" in inputs && { bias: 1 }) }),
  ],
  loraMatmul: () => [slicing(0, { x: 0 }), slicing(1, { weight: 0, b: 0, bias: 0 })],
  quantizedMatmul: () => [slicing(0, { x: 0 })],
  attention: () => [slicing(2, { q: 2, k: 2, v: 2 })],
  attentionPacked: () => [slicing(2, { qkv: 3 })],
};

/** Why a case has no slices. */
export const withoutSlices = (c: OpCase): string =>
  c.options?.dropout
    ? "dropout numbers the elements of the whole, no slice is alike"
    : "every result needs all of the inputs; its products alone are cases of groupedGemm";

/** None where a plain loop would need the whole for any part. */
export const slicingsOf = (op: string, c: OpCase): readonly Slicing[] =>
  c.options?.dropout ? [] : (SLICINGS[op]?.(c) ?? []);

/** The first, the last, and some between, where tiles and cells begin and end. */
export function someOf(size: number): number[] {
  const wanted = [0, 1, Math.floor(size / 3), Math.floor(size / 2), size - 2, size - 1];
  return [...new Set(wanted)].filter((i) => i >= 0 && i < size);
}

/** `values` of `shape` at `indices` of `axis`. */
export function take(
  values: Float64Array,
  shape: readonly number[],
  axis: number,
  indices: readonly number[],
): HostInput["values"] {
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const out = new Float64Array(outer * indices.length * inner);
  for (let o = 0; o < outer; o++)
    indices.forEach((index, i) => {
      const from = (o * shape[axis] + index) * inner;
      out.set(values.subarray(from, from + inner), (o * indices.length + i) * inner);
    });
  return out;
}

export function takeInput(input: HostInput, axis: number, indices: readonly number[]): HostInput {
  const shape = input.shape.map((size, i) => (i === axis ? indices.length : size));
  return { ...input, shape, values: take(input.values, input.shape, axis, indices) };
}
