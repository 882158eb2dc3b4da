import type { Module } from "../nn/module.js";
import { openCheckpoint } from "./checkpoint.js";
import { readFloat32 } from "./convert.js";
import type { CheckpointReader } from "./stored-tensor.js";

/** What `loadModel` found. */
export interface LoadedModel {
  /** Names of the file that the model does not have. */
  readonly unused: readonly string[];
}

/**
 * Copies a checkpoint into a model whose state-dict names are the file's: safetensors (one file, or a folder with its shards)
 * or a PyTorch file. Values of any type become those of the parameters, one tensor at a time: a bf16 file loads on every
 * device.
 *
 * Rejects with a ShapeError that lists every parameter that the file lacks or has in another shape, before anything is
 * changed, and with a FileFormatError for a damaged file. An open reader (`stackExperts` gives one) stays its owner's.
 */
export async function loadModel(model: Module, source: string | CheckpointReader): Promise<LoadedModel> {
  const reader = typeof source === "string" ? await openCheckpoint(source) : source;
  try {
    const parameters = new Map(model.namedParameters());
    model.checkState(new Map(reader.names.map((name) => [name, reader.get(name)])), reader.file);
    for (const [name, parameter] of parameters) parameter.write(await readFloat32(reader.get(name)));
    return { unused: reader.names.filter((name) => !parameters.has(name)) };
  } finally {
    if (typeof source === "string") await reader.close();
  }
}
