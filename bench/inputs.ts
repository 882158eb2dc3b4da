import { HostRandom } from "../engine/index.js";
import type { InputSpec, OpCase } from "../kernels/case-table.js";
import { sizeOf } from "../kernels/cost.js";
import type { HostTensor } from "./task.js";

/** A prime, so that rows of a matrix do not begin alike. */
const PERIOD = 1_048_573;

/**
 * Normal values: zeros and constants run faster on some hardware than what models hold. Those of large experts, a
 * billion, would take a minute: after a million they repeat.
 */
export function normals(shape: readonly number[], stream: number, scale = 1): HostTensor {
  const random = new HostRandom(1, stream);
  const values = new Float32Array(sizeOf(shape));
  const drawn = Math.min(values.length, PERIOD);
  for (let i = 0; i < drawn; i++) values[i] = scale * random.normal();
  for (let at = drawn; at < values.length; at += drawn)
    values.set(values.subarray(0, Math.min(drawn, values.length - at)), at);
  return { shape, values };
}

/** Whole numbers from `low` up to below `high`, each as likely. */
function integers(shape: readonly number[], stream: number, low: number, high: number): HostTensor {
  const random = new HostRandom(1, stream);
  return { shape, values: Int32Array.from({ length: sizeOf(shape) }, () => low + random.below(high - low)) };
}

/** The inputs of a case that is benchmarked: normal values, scaled where the case says so; indices over their range. */
export function hostInputs(c: OpCase): Record<string, HostTensor> {
  return Object.fromEntries(
    Object.entries(c.inputs).map(([name, spec], i) => {
      if ("low" in spec) return [name, integers(spec.shape, i, spec.low, spec.high)];
      const { shape, scale } = normal(c, name, spec);
      return [name, normals(shape, i, scale)];
    }),
  );
}

function normal(c: OpCase, name: string, spec: InputSpec): { shape: readonly number[]; scale?: number } {
  if (!("shape" in spec)) return { shape: spec };
  if ("values" in spec || "low" in spec || (spec.fill ?? "normal") !== "normal")
    throw new Error(`bench: ${name} of the case "${c.name}" is not a normal input; such cases are not timed`);
  return spec;
}
