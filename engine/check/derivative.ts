import type { OpCase } from "../../kernels/case-table.js";
import type { DType } from "../../kernels/contract.js";
import type { Device } from "../device/device.js";
import { isFloat } from "../dtype.js";
import type { HostInput } from "./fill.js";
import { generator } from "./random.js";
import { type Computation, outputGradient, runOp } from "./run-op.js";

/** The error of the difference is about H² plus 1e-16 / H. */
const H = 1e-5;
const TOLERANCE = 2e-6;

/**
 * One gradient against central differences in float64: along a random direction d of that input,
 * (f(x + h d) - f(x - h d)) / 2h = <df/dx, d> with f = Σ dy · y. `exact` is a reference device that rounds nothing. Null
 * where they agree, else what is wrong.
 */
export async function derivativeError(
  exact: Device,
  f: Computation,
  c: OpCase,
  inputs: Readonly<Record<string, HostInput>>,
  name: string,
): Promise<string | null> {
  const { gradients, dtypes } = await runOp(exact, f, c, inputs, true);
  const gradient = gradients[name];
  if (!gradient) return `d${name}: there is none. Say why in noGradient, or let the gradient give it.`;
  const random = generator(`${c.name}/${name}/direction`);
  const direction = inputs[name].values.map(() => random.normal());
  const value = async (sign: number) => {
    const values = inputs[name].values.map((v, i) => v + sign * H * direction[i]);
    const y = await runOp(exact, f, c, { ...inputs, [name]: { ...inputs[name], values } }, false);
    return y.outputs.reduce((sum, out, i) => sum + weigh(c, out, i, dtypes[i]), 0);
  };
  const difference = ((await value(1)) - (await value(-1))) / (2 * H);
  let inner = 0;
  let size = 0;
  gradient.forEach((g, i) => {
    inner += g * direction[i];
    size += Math.abs(g * direction[i]);
  });
  if (Math.abs(difference - inner) <= TOLERANCE * Math.max(1, size)) return null;
  return `d${name}: along a random direction the difference is ${difference}, the gradient ${inner}`;
}

/** Σ dy · y over one output; integers have no derivative. */
function weigh(c: OpCase, y: Float64Array, i: number, dtype: DType): number {
  if (!isFloat(dtype)) return 0;
  const dy = outputGradient(c, { shape: [y.length], size: y.length, dtype }, i).values;
  return y.reduce((sum, v, k) => sum + v * dy[k], 0);
}

/** The inputs of a case whose gradient is a derivative. */
export const derivable = (c: OpCase, inputs: Readonly<Record<string, HostInput>>): string[] =>
  Object.keys(inputs).filter(
    (name) => isFloat(inputs[name].dtype) && !c.noGradient?.[name] && !c.notDerivative?.[name],
  );
