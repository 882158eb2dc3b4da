import { isFloat } from "../dtype.js";
import { checkParameters, type Module } from "../nn/module.js";
import type { Tensor } from "../tensor.js";
import { openCheckpoint } from "./checkpoint.js";
import { type Numbers, toBytes } from "./convert.js";
import { STORED } from "./fill-tensor.js";
import { type FillOptions, fillTensors } from "./fill-tensors.js";
import { adoptQuantization, quantizationMetadata, quantizationOf, quantizedParameters } from "./quantization.js";
import { type SafetensorsOptions, writeSafetensors } from "./safetensors-writer.js";
import type { CheckpointReader, WritableTensor } from "./stored-tensor.js";

/** What `loadModel` takes besides model and file. */
export type LoadModelOptions = FillOptions;

/** What `loadModel` found. */
export interface LoadedModel {
  /** Names of the file that the model does not have. */
  readonly unused: readonly string[];
}

/**
 * Copies a checkpoint into a model whose state-dict names are the file's: safetensors (one file, or a folder with its shards)
 * or a PyTorch file. Values of any type become those of the parameters, one piece of a tensor at a time: a bf16 file loads on
 * every device. Linear layers that the file holds as integers (`saveModel` after `nn.quantize`) become such layers.
 *
 * Rejects with a ShapeError that lists every parameter that the file lacks or has in another shape, before anything is changed,
 * and with a FileFormatError for a damaged file. An open reader (`stackExperts` gives one) stays its owner's.
 */
export async function loadModel(
  model: Module,
  source: string | CheckpointReader,
  options: LoadModelOptions = {},
): Promise<LoadedModel> {
  const reader = typeof source === "string" ? await openCheckpoint(source) : source;
  try {
    const format = quantizationOf(reader);
    const isQuantized = (name: string) => reader.has(name) && reader.get(name).dtype === "U32";
    const state = new Map(reader.names.map((name) => [name, reader.get(name)]));
    checkParameters(quantizedParameters(model, format, isQuantized), state, reader.file);
    adoptQuantization(model, format, isQuantized);
    const parameters = new Map(model.namedParameters());
    const all = [...parameters].map(([name, tensor]) => ({ tensor, parts: [reader.get(name)] }));
    await fillTensors(all, options);
    return { unused: reader.names.filter((name) => !parameters.has(name)) };
  } finally {
    if (typeof source === "string") await reader.close();
  }
}

/** What `saveModel` takes besides model and file. */
export interface SaveModelOptions extends SafetensorsOptions {
  /** How floating-point values are stored. Default: as they are. */
  readonly dtype?: "F32" | "F16" | "BF16";
}

/** Writes the parameters of a model to a safetensors file under their state-dict names, one at a time. */
export async function saveModel(model: Module, path: string, options: SaveModelOptions = {}): Promise<void> {
  const { dtype, metadata } = options;
  const tensors = [...model.namedParameters()].map(([name, p]) => writableTensor(name, p, dtype));
  await writeSafetensors(path, tensors, { metadata: { ...metadata, ...quantizationMetadata(model) } });
}

/** A tensor of a device for the writers: it leaves the device when its turn comes. `dtype` is for floating-point values. */
export function writableTensor(name: string, t: Tensor, dtype?: SaveModelOptions["dtype"]): WritableTensor {
  const stored = isFloat(t.dtype) && dtype ? dtype : STORED[t.dtype];
  return { name, shape: t.shape, dtype: stored, read: async () => toBytes((await t.data()) as Numbers, stored, name) };
}
