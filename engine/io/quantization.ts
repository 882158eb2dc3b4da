import { BITS, GROUPS, rowWords } from "../../kernels/quantized-matmul/format.js";
import { Linear } from "../nn/linear.js";
import { type Module, replaceModules } from "../nn/module.js";
import { QuantizedLinear } from "../nn/quantized-linear.js";
import type { QuantizedFormat } from "../ops/quantized-matmul.js";
import { keep } from "../scope.js";
import { Tensor } from "../tensor.js";
import { FileFormatError } from "./errors.js";
import type { CheckpointReader } from "./stored-tensor.js";

/** Key of `__metadata__`: `{"bits":4,"group":32}`. */
export const QUANTIZATION = "quantization";

/** What the file of a model with quantised layers says of them; nothing where there are none. */
export function quantizationMetadata(model: Module): Record<string, string> {
  const formats = new Set<string>();
  for (const [, m] of model.namedModules())
    if (m instanceof QuantizedLinear) formats.add(JSON.stringify({ bits: m.format.bits, group: m.format.group }));
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

/** Linear layers whose weight the checkpoint has as integers become such layers; their values are yet to be filled in. */
export function adoptQuantization(model: Module, reader: CheckpointReader, nameOf = (path: string) => path): void {
  const format = quantizationOf(reader);
  if (!format) return;
  replaceModules(model, (child, path) => {
    const name = nameOf(`${path}.weight`);
    if (!(child instanceof Linear && reader.has(name) && reader.get(name).dtype === "U32")) return null;
    const { weight, bias } = child;
    const [N, K] = weight.shape;
    const shape = [N, rowWords(K, format.bits, format.group)];
    const words = keep(new Tensor(weight.device.allocate(shape[0] * shape[1], "u32", path), shape, "u32"));
    weight.dispose();
    const other = new QuantizedLinear(words, bias, K, format);
    other.training = child.training;
    return other;
  });
}
