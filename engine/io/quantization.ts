import { BITS, GROUPS } from "../../kernels/quantized-matmul/format.js";
import { Experts } from "../nn/experts.js";
import { Linear } from "../nn/linear.js";
import { type Module, replaceModules } from "../nn/module.js";
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
 * Linear layers and experts become layers of integers whose values are yet to be filled in, where `isQuantized` says that the file
 * has their weight so.
 */
export function adoptQuantization(
  model: Module,
  format: QuantizedFormat | null,
  isQuantized: (path: string, weight: Tensor) => boolean,
): void {
  if (!format) return;
  replaceModules(model, (child, path) => {
    if (child instanceof Linear && isQuantized(`${path}.weight`, child.weight)) {
      const other = QuantizedLinear.empty(child, format);
      child.weight.dispose();
      other.training = child.training;
      return other;
    }
    if (child instanceof Experts && isQuantized(`${path}.up`, child.up)) {
      const other = QuantizedExperts.empty(child, format);
      child.up.dispose();
      child.down.dispose();
      other.training = child.training;
      return other;
    }
    return null;
  });
}
