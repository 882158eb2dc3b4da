import { BITS, GROUPS, rowWords } from "../../kernels/quantized-matmul/format.js";
import { Experts } from "../nn/experts.js";
import { Linear } from "../nn/linear.js";
import { type Module, replaceModules } from "../nn/module.js";
import { readElsewhere } from "../nn/quantize.js";
import { QuantizedExperts } from "../nn/quantized-experts.js";
import { QuantizedLinear } from "../nn/quantized-linear.js";
import type { QuantizedFormat } from "../ops/quantized-matmul.js";
import type { Tensor } from "../tensor.js";
import { FileFormatError } from "./errors.js";
import type { CheckpointReader } from "./stored-tensor.js";

/** Key of `__metadata__`: `{"bits":4,"group":32}`. */
export const QUANTIZATION = "quantization";

/** What the file of a model with quantised layers says of them; nothing where there are none. */
export function quantizationMetadata(model: Module): Record<string, string> {
  const formats = new Set<string>();
  for (const [, m] of model.namedModules())
    if (m instanceof QuantizedLinear || m instanceof QuantizedExperts)
      formats.add(JSON.stringify({ bits: m.format.bits, group: m.format.group }));
  if (formats.size > 1)
    throw new TypeError(`saveModel: one file has one form of integers; this model has ${[...formats].join(" and ")}.`);
  return formats.size === 0 ? {} : { [QUANTIZATION]: [...formats][0] };
}

/** The form of integers in a checkpoint; null where it has none. Throws FileFormatError for one that is not known. */
export function quantizationOf({ metadata, file }: CheckpointReader): QuantizedFormat | null {
  const text = metadata[QUANTIZATION];
  if (text === undefined) return null;
  const known = BITS.flatMap((bits) => GROUPS.map((group) => ({ bits, group })));
  const found = known.find((format) => JSON.stringify(format) === text);
  if (found) return found;
  const list = known.map((format) => JSON.stringify(format)).join(", ");
  throw new FileFormatError(file, `its ${QUANTIZATION} is ${text.slice(0, 80)}`, `Known: ${list}. Quantise it again`);
}

/**
 * The parameters as they are after `adoptQuantization`, by name: what a file is checked against before a model is changed.
 */
export function quantizedParameters(
  model: Module,
  format: QuantizedFormat | null,
  isQuantized: IsQuantized,
): Map<string, { readonly shape: readonly number[] }> {
  const parameters = new Map<string, { readonly shape: readonly number[] }>(model.namedParameters());
  if (!format) return parameters;
  const needed = readElsewhere(model);
  for (const [path, module] of model.namedModules()) {
    if (needed.has(module)) continue;
    for (const [name, { shape }] of quantizable(module, path, isQuantized)) {
      const words = rowWords(shape[shape.length - 1], format.bits, format.group);
      parameters.set(name, { shape: [...shape.slice(0, -1), words] });
    }
  }
  return parameters;
}

/** Whether a file has the weight of the parameter at `path` as integers. */
type IsQuantized = (path: string, weight: Tensor) => boolean;

/** Weights that become integers with a layer, by name: none where the file has it as it is. */
function quantizable(module: Module, path: string, isQuantized: IsQuantized): (readonly [string, Tensor])[] {
  if (module instanceof Linear && isQuantized(`${path}.weight`, module.weight))
    return [[`${path}.weight`, module.weight]];
  if (module instanceof Experts && isQuantized(`${path}.up`, module.up))
    return [
      [`${path}.up`, module.up],
      [`${path}.down`, module.down],
    ];
  return [];
}

/**
 * Linear layers and experts become layers of integers whose values are yet to be filled in, where `isQuantized` says that the file
 * has their weight so; not those that `nn.quantize` leaves to the modules around them.
 */
export function adoptQuantization(
  model: Module,
  format: QuantizedFormat | null,
  isQuantized: (path: string, weight: Tensor) => boolean,
): void {
  if (!format) return;
  const needed = readElsewhere(model);
  replaceModules(model, (child, path) => {
    const weights = needed.has(child) ? [] : quantizable(child, path, isQuantized);
    if (weights.length === 0) return null;
    const other =
      child instanceof Linear ? QuantizedLinear.empty(child, format) : QuantizedExperts.empty(child as Experts, format);
    for (const [, weight] of weights) weight.dispose();
    other.training = child.training;
    return other;
  });
}
