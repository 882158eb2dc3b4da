import { io } from "../../engine/index.js";
import { baseParameters } from "../peft/merge.js";
import { type LoadOptions, type LoadReport, loadParameters } from "./load-parameters.js";
import { isExtra, POSITION_IDS, positionIds, TIED } from "./names.js";
import type { MissNetwork } from "./network.js";

/** Loads a network from a checkpoint of the published names: of MISS, MILE, BLIP, tuned or pre-trained. */
export const loadNetwork = (
  network: MissNetwork,
  reader: io.CheckpointReader,
  options?: LoadOptions,
): Promise<LoadReport> => loadParameters(new Map(network.namedParameters()), reader, { tied: TIED, isExtra }, options);

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
  yield* positionIds(network.config.maxPositions, POSITION_IDS);
}
