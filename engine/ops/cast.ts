import * as kernels from "../../kernels/cast/kernels.js";
import { toFloat } from "../dispatch/convert.js";
import { defineOp } from "../dispatch/define-op.js";
import { any, float } from "../dispatch/op-schema.js";
import { run } from "../dispatch/run.js";
import { type DType, type FloatDType, isFloat } from "../dtype.js";
import { Tensor } from "../tensor.js";
import { empty } from "./moves.js";
import { reshape } from "./reshape.js";

export const castOp = defineOp({
  name: "cast",
  inputs: { x: any("...") },

  forward({ x }, { dtype }: { dtype: FloatDType }) {
    return { y: toFloat(x, dtype), kept: x.dtype };
  },

  gradient(_saved, dy, { kept: dtype }) {
    return { x: toFloat(dy, dtype as FloatDType) };
  },
});

/** To integers, which have no gradient. */
export const castToIntOp = defineOp({
  name: "castToInt",
  inputs: { x: float("...") },

  forward({ x }, { dtype }: { dtype: "i32" | "u32" }) {
    const y = empty(x.device, x.shape, dtype, "cast");
    run(x.device, kernels.toInt, { x, y }, { n: x.size, isUnsigned: dtype === "u32" ? 1 : 0 });
    return { y };
  },
});

/**
 * The same values in another storage type: floating types round to nearest even; integers round towards zero and stop at
 * the ends of their range, NaN gives 0. Between i32 and u32 the bits stay. Shares the memory of x where its bits stay.
 * The gradient is cast back.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  x.check("cast");
  if (x.dtype === dtype) return reshape(x, x.shape);
  if (isFloat(dtype)) return castOp({ x }, { dtype });
  if (isFloat(x.dtype)) return castToIntOp({ x }, { dtype });
  x.storage.retain();
  return new Tensor(x.storage, x.shape, dtype, x.size);
}
