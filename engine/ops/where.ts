import * as kernels from "../../kernels/elementwise/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { any, int } from "../dispatch/op-schema.js";
import { run } from "../dispatch/run.js";
import { DTypeError } from "../errors.js";
import { broadcastShapes, type Shape, sameShape, sizeOf } from "../shape.js";
import { Tensor } from "../tensor.js";
import { full } from "./fill.js";
import { empty, expandTo, ofType } from "./moves.js";
import { sumTo } from "./reduce.js";

/** Stretches what has another shape, and frees that after the launch. */
function select(condition: Tensor, a: Tensor, b: Tensor, shape: Shape): Tensor {
  const given = [condition, a, b];
  const [c, u, v] = given.map((t) => (sameShape(t.shape, shape) ? t : expandTo("where", t, shape)));
  const y = empty(a.device, shape, a.dtype, "where");
  run(a.device, ofType(a, kernels.where, kernels.whereInt), { condition: c, a: u, b: v, y }, { n: sizeOf(shape) });
  for (const t of [c, u, v]) if (!given.includes(t)) t.dispose();
  return y;
}

export const whereOp = defineOp({
  name: "where",
  inputs: { condition: int("..."), a: any("..."), b: any("...") },

  forward({ condition, a, b }, _options: Record<string, never>) {
    if (a.dtype !== b.dtype) throw new DTypeError(`where: a is ${a.dtype} and b is ${b.dtype}. Use cast().`);
    const shape = broadcastShapes("where", broadcastShapes("where", condition.shape, a.shape), b.shape);
    return { y: select(condition, a, b, shape), saves: { condition }, kept: { a: a.shape, b: b.shape } };
  },

  gradient({ condition }, dy, { kept: shapes, needs }) {
    const zero = full([], 0, { device: dy.device, dtype: dy.dtype });
    const of = (chosen: Tensor, other: Tensor, shape: Shape) => {
      const masked = select(condition, chosen, other, dy.shape);
      const out = sumTo(masked, shape);
      if (out !== masked) masked.dispose();
      return out;
    };
    const gradients = {
      a: needs.a ? of(dy, zero, shapes.a) : null,
      b: needs.b ? of(zero, dy, shapes.b) : null,
    };
    zero.dispose();
    return gradients;
  },
});

/** a where the condition (i32) is not 0, else b; shapes broadcast. One of a and b may be a number. */
export function where(condition: Tensor, a: Tensor | number, b: Tensor | number): Tensor {
  const typed = a instanceof Tensor ? a : b instanceof Tensor ? b : null;
  if (!typed) throw new DTypeError("where: a and b are both numbers; one of them must be a Tensor.");
  if (a instanceof Tensor && b instanceof Tensor) return whereOp({ condition, a, b }, {});
  const constant = full([], (typed === a ? b : a) as number, { device: typed.device, dtype: typed.dtype });
  const y = whereOp(typed === a ? { condition, a, b: constant } : { condition, a: constant, b: typed }, {});
  constant.dispose();
  return y;
}
