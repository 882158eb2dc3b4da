import { ShapeError } from "./errors.js";

/** Sizes of a tensor, outermost first; empty for a single value. */
export type Shape = readonly number[];

export function sizeOf(shape: Shape): number {
  let size = 1;
  for (let i = 0; i < shape.length; i++) size *= shape[i];
  return size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function checkShape(op: string, shape: Shape): Shape {
  for (const d of shape)
    if (!Number.isInteger(d) || d < 0)
      throw new ShapeError(`${op}: shape [${shape.join(", ")}] must hold whole numbers from 0 on.`);
  if (sizeOf(shape) > 0xffffffff)
    throw new ShapeError(`${op}: shape [${shape.join(", ")}] has more than 2^32 - 1 elements. Split it.`);
  return shape;
}

/** Index of a dimension, negative ones counted from the end. */
export function dimIndex(op: string, dim: number, rank: number): number {
  const index = dim < 0 ? dim + rank : dim;
  if (!Number.isInteger(dim) || index < 0 || index >= rank)
    throw new ShapeError(`${op}: dim ${dim} is outside the ${rank} dimensions of the input.`);
  return index;
}

/** The shape both broadcast to, by NumPy's rule: aligned at the end, 1 stretches. */
export function broadcastShapes(op: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1)
      throw new ShapeError(
        `${op}: shapes [${a.join(", ")}] and [${b.join(", ")}] do not broadcast: sizes ${x} and ${y} differ, neither is 1.`,
      );
    out[i] = x === 1 ? y : x;
  }
  return out;
}

/** Splits a shape at one dimension: elements before, along, and after it. */
export function around(shape: Shape, dim: number): { outer: number; length: number; inner: number } {
  return { outer: sizeOf(shape.slice(0, dim)), length: shape[dim], inner: sizeOf(shape.slice(dim + 1)) };
}
