import { value } from "../../kernels/fill/kernels.js";
import type { Tensor } from "../tensor.js";
import { run } from "./run.js";

/** Sets every element in place. */
export function fill(t: Tensor, number: number): Tensor {
  return run(t.device, value, { y: t }, { n: t.size, value: number }, t.dtype as "f32").y;
}
