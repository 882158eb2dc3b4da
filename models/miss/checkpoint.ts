import { platform } from "#platform";
import { io, type Tensor } from "../../engine/index.js";
import { interpolatePositions } from "../images/position-embedding.js";
import { baseParameters } from "../peft/merged.js";
import { isExtra, POSITION_IDS, TIED } from "./names.js";
import type { MissNetwork } from "./network.js";

/** What loading found: names of the model that the file lacks, and names of the file that the model does not know. */
export interface LoadReport {
  readonly interpolated: boolean;
  readonly unused: readonly string[];
}

const POSITIONS = "visual_encoder.pos_embed";

/**
 * Loads parameters by their published names. The vision positions are interpolated to the model's image size. Tensors
 * that are missing or have another shape are listed all at once, before anything is changed.
 */
export async function loadNetwork(network: MissNetwork, reader: io.CheckpointReader): Promise<LoadReport> {
  const state = new Map<string, { shape: readonly number[]; values: ArrayLike<number> }>();
  const parameters = new Map(network.namedParameters());
  let interpolated = false;
  for (const name of parameters.keys()) {
    if (!reader.has(name)) continue;
    const stored = reader.get(name);
    let shape = stored.shape;
    const wanted = (parameters.get(name) as Tensor).shape;
    let values: Float32Array | null = null;
    if (name === POSITIONS && shape.length === 3 && shape[1] !== wanted[1] && shape[2] === wanted[2]) {
      values = interpolatePositions(await io.readFloat32(stored), shape[2], Math.sqrt(wanted[1] - 1));
      shape = wanted;
      interpolated = true;
    }
    state.set(name, { shape, values: values ?? new Float32Array(0) });
  }
  network.checkState(state, reader.file);
  for (const [name, p] of parameters) {
    const values = state.get(name)?.values;
    p.write(values?.length ? values : await io.readFloat32(reader.get(name)));
  }
  return { interpolated, unused: reader.names.filter((n) => !parameters.has(n) && !isExtra(n)) };
}

/**
 * The tensors of a checkpoint as PyTorch's state dict has them, tied names and position ids included. Adapters are left
 * out: fold them in first (`withMergedAdapters`).
 */
export function* stateDict(network: MissNetwork): Generator<io.WritableTensor> {
  const parameters = new Map(baseParameters(network));
  for (const [name, p] of parameters) yield writable(name, p);
  for (const [second, first] of TIED) {
    const p = parameters.get(first);
    if (p) yield writable(second, p);
  }
  const positions = Float64Array.from({ length: network.config.maxPositions }, (_, i) => i);
  for (const name of POSITION_IDS) yield io.writable(name, [1, positions.length], positions, "I64");
}

export function writable(name: string, t: Tensor): io.WritableTensor {
  return {
    name,
    dtype: "F32",
    shape: t.shape,
    read: async () => {
      const values = (await t.data()) as Float32Array;
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    },
  };
}

export const writeText = (path: string, text: string) => platform.writeFile(path, [new TextEncoder().encode(text)]);
