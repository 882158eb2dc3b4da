import type { CaseTable, InputSpec, OpCase } from "../../kernels/case-table.js";
import type { FloatDType } from "../../kernels/contract.js";
import { Device } from "../device/device.js";
import type { Outputs } from "../dispatch/define-op.js";
import { ConsiliumError } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { disagreement } from "./compare.js";
import { derivable, derivativeError } from "./derivative.js";
import { elements, type HostInput, hostInputs, toleranceOf } from "./fill.js";
import { type Computation, runOp } from "./run-op.js";

/** A kernel or a gradient that does not compute what it should. */
export class CheckError extends ConsiliumError {}

/** Any op of `defineOp`. */
export interface CheckableOp extends Computation {
  /** Its name in errors. */
  readonly opName: string;
  /** Whether it has a gradient. */
  readonly differentiable: boolean;
}

/** Elements beyond which a case is not differentiated: each input takes two more runs of the plain loops. */
const DERIVATIVE_LIMIT = 30_000;

/**
 * Checks an op by its case table, as this package checks its own: the gradients of the reference against central differences
 * in float64, then the outputs and gradients of each device, in each storage type of the case, against the reference. A
 * device opened with `debug` also tells of writes outside a buffer.
 *
 * Resolves with a line for each comparison. Rejects with a CheckError that lists every fault: case, device, type, the worst
 * element. What throws ends the check at once with its own error: the op itself, or a guard zone that was written to.
 * WebGPU computes in f32, and in f16 where the adapter has it: other types are left out there.
 */
export async function checkOp(op: CheckableOp, table: CaseTable, devices: readonly Device[]): Promise<string[]> {
  const passed: string[] = [];
  const faults: string[] = [];
  let checks = 0;
  const note = (title: string, found: readonly (string | null)[]) => {
    checks++;
    const wrong = found.filter((text) => text !== null);
    if (wrong.length === 0) passed.push(title);
    else faults.push(...wrong.map((text) => `${title}: ${text}`));
  };
  await withExact(async (exact) => {
    for (const c of table.cases) {
      if (op.differentiable && elements(c) <= DERIVATIVE_LIMIT) {
        const inputs = hostInputs(c, "f32");
        for (const name of derivable(c, inputs))
          note(`${c.name}: derivative`, [await derivativeError(exact, op, c, inputs, name)]);
      }
      for (const dtype of c.dtypes ?? (["f32"] as const)) {
        const inputs = hostInputs(c, dtype);
        const expected = await runOp(exact, op, c, inputs, op.differentiable);
        for (const device of devices.filter((d) => computesIn(d, dtype))) {
          const got = await runOp(device, op, c, inputs, op.differentiable);
          await device.finish();
          const compare = (title: string, a: ArrayLike<number> | null, b: ArrayLike<number> | null) =>
            a && b
              ? disagreement(title, a, b, toleranceOf(table, c, dtype))
              : a === b
                ? null
                : `${title}: only one has it`;
          note(`${c.name}: ${device.name} ${dtype}`, [
            ...expected.outputs.map((y, i) => compare(`output ${i}`, got.outputs[i] ?? null, y)),
            ...Object.entries(expected.gradients)
              .filter(([name]) => !c.noGradient?.[name])
              .map(([name, dx]) => compare(`d${name}`, got.gradients[name], dx)),
          ]);
        }
      }
    }
  });
  const failed = checks - passed.length;
  if (failed > 0) throw new CheckError(`${op.opName}: ${failed} of ${checks} checks failed:\n  ${faults.join("\n  ")}`);
  return passed;
}

/**
 * The gradients of any differentiable function of tensors against central differences in float64, along one random
 * direction of each input; what torch.autograd.gradcheck does in its fast mode. The inputs are shapes, filled with normal
 * numbers, or as cases have them; `f` must use ops alone, on the device of what it is given.
 *
 * Rejects with a CheckError that lists every input whose gradient is wrong or missing.
 */
export async function checkGradients<N extends string>(
  f: (inputs: Readonly<Record<N, Tensor>>) => Outputs,
  inputs: Readonly<Record<N, InputSpec>>,
): Promise<void> {
  const c: OpCase = { name: "checkGradients", inputs };
  const host = hostInputs(c, "f32") as Record<string, HostInput>;
  const computation: Computation = Object.assign((given: Readonly<Record<N, Tensor>>) => f(given), { inputs });
  const wrong = await withExact((exact) =>
    Promise.all(derivable(c, host).map((name) => derivativeError(exact, computation, c, host, name))),
  );
  const faults = wrong.filter((text) => text !== null);
  if (faults.length) throw new CheckError(`checkGradients: ${faults.join("\n  ")}`);
}

/** The reference device that rounds nothing, loaded when it is needed. */
async function withExact<T>(f: (exact: Device) => Promise<T>): Promise<T> {
  const { ReferenceBinding } = await import("../../bindings/reference/device.js");
  const exact = new Device(new ReferenceBinding({ exact: true }), Number.POSITIVE_INFINITY);
  return await f(exact).finally(() => exact.close());
}

function computesIn({ name, binding }: Device, dtype: FloatDType): boolean {
  if (name !== "webgpu") return true;
  return dtype === "f32" || (dtype === "f16" && binding.limits?.f16 === true);
}
