import { COMPARE, type CompareName } from "../../kernels/elementwise/functions.js";
import * as kernels from "../../kernels/elementwise/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { any } from "../dispatch/op-schema.js";
import { run } from "../dispatch/run.js";
import { isFloat } from "../dtype.js";
import { DTypeError } from "../errors.js";
import { broadcastShapes, type Shape, sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { full } from "./fill.js";
import { expandTo } from "./moves.js";

/** `t` itself, or stretched. */
const stretched = (op: string, t: Tensor, shape: Shape) => (sameShape(t.shape, shape) ? t : expandTo(op, t, shape));

const compareOp = (name: CompareName) =>
  defineOp({
    name,
    inputs: { a: any("..."), b: any("...") },

    forward(inputs, _options: Record<string, never>, { device }) {
      const { dtype } = inputs.a;
      if (dtype === "u32" || inputs.b.dtype !== dtype)
        throw new DTypeError(
          `${name}: a is ${dtype} and b is ${inputs.b.dtype}; both must be i32 or of one floating type. Use cast().`,
        );
      const shape = broadcastShapes(name, inputs.a.shape, inputs.b.shape);
      const a = stretched(name, inputs.a, shape);
      const b = stretched(name, inputs.b, shape);
      const args = { a, b, y: shape };
      const params = { n: shape.reduce((n, d) => n * d, 1), f: COMPARE[name] };
      const { y } = isFloat(dtype)
        ? run(device, kernels.compare, args, params)
        : run(device, kernels.compareInt, args, params);
      if (a !== inputs.a) a.dispose();
      if (b !== inputs.b) b.dispose();
      return { y };
    },
  });

export const equalOp = compareOp("equal");
export const notEqualOp = compareOp("notEqual");
export const lessOp = compareOp("less");
export const lessEqualOp = compareOp("lessEqual");
export const greaterOp = compareOp("greater");
export const greaterEqualOp = compareOp("greaterEqual");

function compare(op: typeof equalOp, a: Tensor, b: Tensor | number): Tensor {
  if (typeof b !== "number") return op({ a, b }, {});
  a.check(op.opName);
  const constant = full(a.shape, b, { device: a.device, dtype: a.dtype });
  const y = op({ a, b: constant }, {});
  constant.dispose();
  return y;
}

/** 1 where a = b, else 0, as i32; shapes broadcast. The others of this file likewise. */
export function equal(a: Tensor, b: Tensor | number): Tensor {
  return compare(equalOp, a, b);
}

/** a ≠ b: the only one that NaN fulfils. */
export function notEqual(a: Tensor, b: Tensor | number): Tensor {
  return compare(notEqualOp, a, b);
}

/** a < b */
export function less(a: Tensor, b: Tensor | number): Tensor {
  return compare(lessOp, a, b);
}

/** a ≤ b */
export function lessEqual(a: Tensor, b: Tensor | number): Tensor {
  return compare(lessEqualOp, a, b);
}

/** a > b */
export function greater(a: Tensor, b: Tensor | number): Tensor {
  return compare(greaterOp, a, b);
}

/** a ≥ b */
export function greaterEqual(a: Tensor, b: Tensor | number): Tensor {
  return compare(greaterEqualOp, a, b);
}
