import { defineOp, type Op } from "../dispatch/define-op.js";
import { any, type InputSchema } from "../dispatch/op-schema.js";
import { DTypeError, describe, ShapeError } from "../errors.js";
import { around, dimIndex, type Shape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { copyStrided, empty } from "./moves.js";
import { unsqueeze } from "./reshape.js";

interface Options {
  readonly dim: number;
}

type Inputs = Readonly<Record<string, InputSchema<false>>>;

const define = (count: number) => {
  const names = Array.from({ length: count }, (_, i) => `x${i}`);
  return defineOp({
    name: "concat",
    inputs: Object.fromEntries(names.map((name) => [name, any("...")])) as Inputs,

    forward(inputs, { dim }: Options) {
      const xs = names.map((name) => inputs[name]);
      const d = dimIndex("concat", dim, xs[0].rank);
      check(xs, d);
      const shape = xs[0].shape.with(
        d,
        xs.reduce((sum, x) => sum + x.shape[d], 0),
      );
      const y = empty(xs[0].device, shape, xs[0].dtype, "concat");
      let start = 0;
      for (const x of xs) {
        copyStrided("concat", x, whole(x.shape, d), y, part(shape, d, start), rows(x.shape, d));
        start += x.shape[d];
      }
      return { y, kept: { d, shapes: xs.map((x) => x.shape) } };
    },

    gradient(_saved, dy, { kept: { d, shapes }, needs }) {
      let start = 0;
      const gradients: Record<string, Tensor | null> = {};
      names.forEach((name, i) => {
        const shape = shapes[i];
        const from = part(dy.shape, d, start);
        start += shape[d];
        if (!needs[name]) return;
        const dx = empty(dy.device, shape, dy.dtype, "concat");
        copyStrided("concat", dy, from, dx, whole(shape, d), rows(shape, d));
        gradients[name] = dx;
      });
      return gradients;
    },
  });
};

/** A tensor as rows along the dimensions from `d` on. */
const rows = (shape: Shape, d: number): Shape => {
  const { outer, length, inner } = around(shape, d);
  return [outer, length * inner];
};
const whole = (shape: Shape, d: number) => ({ strides: [rows(shape, d)[1], 1] });
/** Where row parts that start at element `start` of dimension `d` lie. */
const part = (shape: Shape, d: number, start: number) => ({
  strides: [rows(shape, d)[1], 1],
  offset: start * around(shape, d).inner,
});

function check(xs: readonly Tensor[], d: number): void {
  const [first] = xs;
  xs.forEach((x, i) => {
    if (x.dtype !== first.dtype)
      throw new DTypeError(`concat: tensor ${i} is ${x.dtype} but tensor 0 is ${first.dtype}. Use cast().`);
    if (x.rank !== first.rank || x.shape.some((size, k) => k !== d && size !== first.shape[k]))
      throw new ShapeError(
        `concat: ${describe(`tensor ${i}`, x.shape)} and ${describe("tensor 0", first.shape)} differ outside of dim ${d}.`,
      );
  });
}

/** One op per number of tensors: the tape wants named inputs. */
const ops = new Map<number, Op<Inputs, Options, Tensor>>();

function opOf(count: number): Op<Inputs, Options, Tensor> {
  let op = ops.get(count);
  if (!op) {
    op = define(count);
    ops.set(count, op);
  }
  return op;
}

export const concatOp = opOf(3);

/** Tensors in a row along `dim`; their other sizes agree. */
export function concat(tensors: readonly Tensor[], dim = 0): Tensor {
  if (tensors.length === 0) throw new ShapeError("concat: the list of tensors is empty.");
  return opOf(tensors.length)(Object.fromEntries(tensors.map((x, i) => [`x${i}`, x])), { dim });
}

/** Tensors of one shape in a row along a new dimension `dim`. */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  const parts = tensors.map((x) => unsqueeze(x, dim));
  const y = concat(parts, dim);
  for (const x of parts) x.dispose();
  return y;
}
