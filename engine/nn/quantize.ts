import { OptionError } from "../errors.js";
import type { QuantizedFormat } from "../ops/quantized-matmul.js";
import { noGrad } from "../recording.js";
import { Tensor } from "../tensor.js";
import { Linear } from "./linear.js";
import { type Module, replaceModules } from "./module.js";
import { QuantizedLinear } from "./quantized-linear.js";

/** What `quantize` takes besides the module. */
export interface QuantizeOptions {
  /** Bits of an integer. */
  bits: QuantizedFormat["bits"];
  /** Neighbouring inputs that share a scale. Default 32. */
  group?: QuantizedFormat["group"];
  /** Layers that stay as they are: paths, or last names of paths ("lm_head", "wg"). */
  except?: readonly string[];
}

/** What `quantize` did. */
export interface QuantizeReport {
  /** Paths of the layers that are integers now. */
  readonly quantized: readonly string[];
  /** Linear layers that are as they were, by path, with the reason. */
  readonly kept: ReadonlyMap<string, string>;
}

/** A module that knows how to become integers by itself, such as a stack of experts. */
export interface Quantizable extends Module {
  /** What stands in its place, or the reason why it stays. Weights that it gives up it frees. */
  quantized(format: QuantizedFormat): Module | string;
}

const isQuantizable = (m: Module): m is Quantizable => typeof (m as Partial<Quantizable>).quantized === "function";

/**
 * Turns the frozen linear layers below `root` into layers of integers (`QuantizedLinear`), in place: weights of 4 bits take 4.5
 * with their scales, of 8 bits 8.5, in groups of 32. One layer after the other, so memory falls as it goes. Trainable layers,
 * tied weights, rows that are no multiple of the group and what `except` names stay, and the report says so: freeze first, with
 * `requiresGrad(false)`.
 *
 * Adapters go on top: `LoraLinear` takes a quantised base. Throws OptionError for a name in `except` that nothing has.
 */
export function quantize(root: Module, { bits, group = 32, except = [] }: QuantizeOptions): QuantizeReport {
  const format: QuantizedFormat = { bits, group };
  const unseen = new Set(except);
  const shared = sharedTensors(root);
  const done: string[] = [];
  const kept = new Map<string, string>();
  const excepted = (path: string) => {
    const name = [path, path.slice(path.lastIndexOf(".") + 1)].find((n) => except.includes(n));
    if (name) unseen.delete(name);
    return name !== undefined;
  };
  noGrad(() =>
    replaceModules(root, (child, path) => {
      if (!(child instanceof Linear) && !isQuantizable(child)) {
        excepted(path);
        return null;
      }
      const other = excepted(path)
        ? "excepted"
        : child instanceof Linear
          ? layer(child, format, shared)
          : child.quantized(format);
      if (typeof other === "string") {
        kept.set(path, other);
        return null;
      }
      done.push(path);
      return other;
    }),
  );
  if (unseen.size > 0)
    throw new OptionError(
      `quantize: except names ${[...unseen].join(", ")}, but no layer is called so. Use paths of namedModules().`,
    );
  return { quantized: done, kept };
}

function layer(linear: Linear, format: QuantizedFormat, shared: ReadonlySet<Tensor>): Module | string {
  const { weight } = linear;
  if (weight.requiresGrad) return "trainable";
  if (shared.has(weight)) return "its weight is tied to another layer's";
  if (weight.shape[1] % format.group !== 0) return `its ${weight.shape[1]} inputs are no multiple of ${format.group}`;
  const other = QuantizedLinear.of(linear, format);
  other.training = linear.training;
  weight.dispose();
  return other;
}

/** Tensors that more than one module holds. */
function sharedTensors(root: Module): Set<Tensor> {
  const seen = new Set<Tensor>();
  const shared = new Set<Tensor>();
  for (const [, module] of root.namedModules())
    for (const value of Object.values(module))
      if (value instanceof Tensor) (seen.has(value) ? shared : seen).add(value);
  return shared;
}
