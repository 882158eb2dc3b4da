import * as kernels from "../../kernels/random/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float } from "../dispatch/op-schema.js";
import type { Tensor } from "../tensor.js";

export const randOp = defineOp({
  name: "rand",
  inputs: { like: float("...") },
  forward({ like }, { low, high }: { low: number; high: number }, { device, run }) {
    const params = { n: like.size, low, high, sequence: device.random.next() };
    return { y: run(kernels.uniform, { y: like.shape }, params, like.dtype as "f32").y };
  },
});

export const randnOp = defineOp({
  name: "randn",
  inputs: { like: float("...") },
  forward({ like }, { mean, std }: { mean: number; std: number }, { device, run }) {
    const params = { n: like.size, mean, deviation: std, sequence: device.random.next() };
    return { y: run(kernels.normal, { y: like.shape }, params, like.dtype as "f32").y };
  },
});

/** Uniform numbers in [low, high), of the shape, type and device of `like`; the same on every device. */
export function randLike(like: Tensor, options: { low?: number; high?: number } = {}): Tensor {
  return randOp({ like }, { low: options.low ?? 0, high: options.high ?? 1 });
}

/** Normal numbers (Box-Muller), of the shape, type and device of `like`; the same on every device within rounding. */
export function randnLike(like: Tensor, options: { mean?: number; std?: number } = {}): Tensor {
  return randnOp({ like }, { mean: options.mean ?? 0, std: options.std ?? 1 });
}
