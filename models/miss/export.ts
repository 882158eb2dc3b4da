import { io } from "../../engine/index.js";
import { withMergedAdapters } from "../peft/merge.js";
import { adapterFolder, saveAdapters } from "./adapters.js";
import { stateDict } from "./checkpoint.js";
import type { ModelFolder } from "./model-folder.js";
import type { MissNetwork } from "./network.js";

/**
 * The weights for others into a run's folder: adapters folded in, published names. A prefix is no change of weights: it lies beside
 * them.
 */
export async function exportModel(network: MissNetwork, { adapters }: ModelFolder, out: string): Promise<void> {
  const file = `${out}/model.safetensors`;
  await withMergedAdapters(network, () => io.writeSafetensors(file, stateDict(network)));
  await saveAdapters(adapterFolder(out), network, out, adapters);
}
