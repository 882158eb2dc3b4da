import { io, type Tensor } from "../../engine/index.js";
import { interpolatePositions } from "../images/position-embedding.js";
import { baseParameters } from "../peft/merge.js";
import { isExtra, POSITION_IDS, TIED } from "./names.js";
import type { MissNetwork } from "./network.js";

/** What loading did beside copying. */
export interface LoadReport {
  /** The vision positions were interpolated to the model's image size. */
  readonly interpolated: boolean;
  /** Names of the file that the model does not know. */
  readonly unused: readonly string[];
  /** Tied names of the file that say something else than the parameter's own name; they won. */
  readonly disagreeing: readonly string[];
}

const POSITIONS = "visual_encoder.pos_embed";

/**
 * Loads parameters by their published names. The vision positions are interpolated to the model's image size. A tied
 * tensor's second name counts where the file has it: PyTorch copies it last. Tensors that are missing or have another
 * shape are listed all at once, before anything is changed.
 */
export async function loadNetwork(network: MissNetwork, reader: io.CheckpointReader): Promise<LoadReport> {
  const state = new Map<string, { shape: readonly number[]; values: ArrayLike<number> }>();
  const parameters = new Map(network.namedParameters());
  const second = new Map(TIED.filter(([name]) => reader.has(name)).map(([name, first]) => [first, name]));
  const known = new Set([...parameters.keys(), ...second.values()]);
  let interpolated = false;
  for (const name of parameters.keys()) {
    const source = second.get(name) ?? name;
    if (!reader.has(source)) continue;
    const stored = reader.get(source);
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
  const disagreeing: string[] = [];
  for (const [name, p] of parameters) {
    const source = second.get(name) ?? name;
    const ready = state.get(name)?.values;
    const values = ready?.length ? ready : await io.readFloat32(reader.get(source));
    if (source !== name && reader.has(name) && !sameValues(values, await io.readFloat32(reader.get(name))))
      disagreeing.push(source);
    p.write(values);
  }
  return { interpolated, unused: reader.names.filter((n) => !known.has(n) && !isExtra(n)), disagreeing };
}

function sameValues(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}

/**
 * The tensors of a checkpoint as PyTorch's state dict has them, tied names and position ids included. Adapters are left
 * out: fold them in first (`withMergedAdapters`).
 */
export function* stateDict(network: MissNetwork): Generator<io.WritableTensor> {
  const parameters = new Map(baseParameters(network));
  for (const [name, p] of parameters) yield io.writableTensor(name, p, "F32");
  for (const [second, first] of TIED) {
    const p = parameters.get(first);
    if (p) yield io.writableTensor(second, p, "F32");
  }
  const positions = Float64Array.from({ length: network.config.maxPositions }, (_, i) => i);
  for (const name of POSITION_IDS) yield io.writable(name, [1, positions.length], positions, "I64");
}
