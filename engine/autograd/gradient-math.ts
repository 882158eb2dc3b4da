import { BINARY } from "../../kernels/elementwise/functions.js";
import { accumulate, binary } from "../../kernels/elementwise/kernels.js";
import { value as fillValue } from "../../kernels/fill/kernels.js";
import { run } from "../dispatch/run.js";
import type { Tensor } from "../tensor.js";

/** What the walk itself computes: it works below the ops, which are recorded. */

/** a + b, into `a` when asked. */
export function add(a: Tensor, b: Tensor, inPlace: boolean): Tensor {
  if (inPlace) return run(a.device, accumulate, { x: b, y: a }, { n: a.size }).y;
  return run(a.device, binary, { a, b, y: a.shape }, { n: a.size, f: BINARY.add }).y;
}

export function copy(t: Tensor): Tensor {
  return run(t.device, binary, { a: t, b: t, y: t.shape }, { n: t.size, f: BINARY.first }).y;
}

export function ones(like: Tensor): Tensor {
  return run(like.device, fillValue, { y: like.shape }, { n: like.size, value: 1 }, like.dtype as "f32").y;
}
