import { fromInt, toBf16, toF16, toF32 } from "../../kernels/cast/kernels.js";
import { type FloatDType, isFloat } from "../dtype.js";
import { Tensor, view } from "../tensor.js";
import { run } from "./run.js";

const PASSES = { f32: toF32, bf16: toBf16, f16: toF16 } as const;

/** x in a floating storage type, not recorded; in its own memory where the type changes. */
export function toFloat(x: Tensor, dtype: FloatDType): Tensor {
  if (x.dtype === dtype) return view(x, x.shape);
  const n = x.size;
  const y = new Tensor(x.device.allocate(n, dtype, "cast"), x.shape, dtype, n);
  if (isFloat(x.dtype)) run(x.device, PASSES[dtype] as typeof toF32, { x, y }, { n });
  else run(x.device, fromInt, { x, y }, { n, isUnsigned: x.dtype === "u32" ? 1 : 0 });
  return y;
}
