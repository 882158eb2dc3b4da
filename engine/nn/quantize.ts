import { noGrad } from "../autograd/recording.js";
import { OptionError } from "../errors.js";
import type { QuantizedFormat } from "../ops/quantized-matmul.js";
import { Tensor } from "../tensor.js";
import { Experts } from "./experts.js";
import { Linear } from "./linear.js";
import { LoraExperts } from "./lora-experts.js";
import { MixtureOfExperts } from "./mixture-of-experts.js";
import { type Module, replaceModules } from "./module.js";
import { QuantizedExperts } from "./quantized-experts.js";
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

/**
 * Turns the frozen linear layers and experts below `root` into layers of integers (`QuantizedLinear`, `QuantizedExperts`), in place:
 * weights of 4 bits take 4.5 with their scales, of 8 bits 8.5, in groups of 32. One layer after the other, so memory falls as it
 * goes. Trainable layers, tied weights, routers of mixtures, experts below `LoraExperts`, rows that are no multiple of the group and
 * what `except` names stay, and the report says so: freeze first, with `requiresGrad(false)`.
 *
 * Adapters go on top: `LoraLinear` takes a quantised base. Throws OptionError for a name in `except` that nothing has.
 */
export function quantize(root: Module, { bits, group = 32, except = [] }: QuantizeOptions): QuantizeReport {
  const format: QuantizedFormat = { bits, group };
  const unseen = new Set(except);
  const shared = sharedTensors(root);
  const needed = readElsewhere(root);
  const done: string[] = [];
  const kept = new Map<string, string>();
  const excepted = (path: string) => {
    const name = [path, path.slice(path.lastIndexOf(".") + 1)].find((n) => except.includes(n));
    if (name) unseen.delete(name);
    return name !== undefined;
  };
  noGrad(() =>
    replaceModules(root, (child, path) => {
      if (!(child instanceof Linear || child instanceof Experts)) {
        excepted(path);
        return null;
      }
      const other = excepted(path) ? "excepted" : (needed.get(child) ?? quantized(child, format, shared));
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

/** What stands in the place of a layer, whose weights are freed; or the reason why it stays. */
function quantized(layer: Linear | Experts, format: QuantizedFormat, shared: ReadonlySet<Tensor>): Module | string {
  const weights = layer instanceof Linear ? [layer.weight] : [layer.up, layer.down];
  if (weights.some((w) => w.requiresGrad)) return "trainable";
  if (weights.some((w) => shared.has(w))) return "its weight is tied to another layer's";
  const odd = weights.map(({ shape }) => shape[shape.length - 1]).find((K) => K % format.group !== 0);
  if (odd !== undefined) return `its ${odd} inputs are no multiple of ${format.group}`;
  const other = layer instanceof Linear ? QuantizedLinear.of(layer, format) : QuantizedExperts.of(layer, format);
  other.training = layer.training;
  for (const w of weights) w.dispose();
  return other;
}

/** Layers whose weights another module reads by itself, with the reason why they cannot be integers. */
export function readElsewhere(root: Module): Map<Module, string> {
  const found = new Map<Module, string>();
  for (const [, module] of root.namedModules()) {
    if (module instanceof MixtureOfExperts) found.set(module.wg, "a router chooses in f32");
    if (module instanceof LoraExperts)
      found.set(module.base_layer, "its adapters are added to weights that are not integers");
  }
  return found;
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
