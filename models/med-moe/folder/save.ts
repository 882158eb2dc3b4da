import { io, noGrad, reshape, scope, slice, type Tensor } from "../../../engine/index.js";
import { clipConfigJson, clipImageJson } from "../../clip/config.js";
import { writeJson } from "../../files/write.js";
import { baseParameters } from "../../peft/merge.js";
import type { MedMoeNetwork } from "../network/network.js";
import { medMoeConfigJson } from "./config.js";
import { isHubName, PROJECTOR_PREFIX, storedParts, TOWER_PREFIX } from "./names.js";

/** How floating-point values are stored. The published checkpoints are BF16. */
export type SavedDType = "F32" | "F16" | "BF16";

/** What `saveMedMoe` takes besides network and folder. */
export interface MedMoeSaveOptions {
  /** Default BF16. */
  readonly dtype?: SavedDType;
  /** As `writeShardedSafetensors` takes it. Default 5 GB. */
  readonly maxShardBytes?: number;
}

/**
 * The published state dict of a network, tensor by tensor: an expert leaves the device when its turn comes. Adapters are left
 * out: fold them in first (`withMergedAdapters`).
 */
export function* medMoeState(network: MedMoeNetwork, dtype: SavedDType = "BF16"): Generator<io.WritableTensor> {
  for (const [path, p] of baseParameters(network)) {
    const parts = storedParts(path, p.shape, network.config.family);
    for (const [i, { name, shape }] of parts.entries()) {
      // Integers of quantised layers stay what they are.
      const stored = p.dtype === "u32" ? "U32" : dtype;
      const tensor: io.WritableTensor = {
        name,
        shape,
        dtype: stored,
        read: async () => io.toBytes(await partOf(p, i, parts.length), stored, name),
      };
      yield tensor;
      // A residual mixture has its meta expert a second time, under the name of the residual branch.
      if (network.config.moe?.residual && name.includes(".mlp.meta_moe."))
        yield { ...tensor, name: name.replace(".mlp.meta_moe.", ".mlp.mlp.") };
    }
  }
}

/** The values of part `i` of `count` equal ones. */
async function partOf(p: Tensor, i: number, count: number): Promise<io.Numbers> {
  if (count === 1) return p.data();
  using part = noGrad(() => scope(() => slice(reshape(p, [count, p.size / count]), { dim: 0, start: i, length: 1 })));
  return await part.data();
}

/**
 * Writes a model's folder in the published layout: config.json and model.safetensors, in shards with an index where it is
 * large. The published code, which reads the tower from where `mm_image_tower` says, loads it: a tower keeps the hub's name
 * that the config has for it; any other, a trained one or one of another folder, is written beside the model, as vision_tower.
 * Returns the names of the files.
 */
export async function saveMedMoe(
  network: MedMoeNetwork,
  folder: string,
  options: MedMoeSaveOptions = {},
): Promise<string[]> {
  return writeMedMoeFolder(network, folder, [...medMoeState(network, options.dtype)], options);
}

/** The folder of a network whose state dict, by `medMoeState`'s names, has the values of `state`. */
export async function writeMedMoeFolder(
  network: MedMoeNetwork,
  folder: string,
  state: readonly io.WritableTensor[],
  { dtype = "BF16", maxShardBytes }: MedMoeSaveOptions,
): Promise<string[]> {
  const { config } = network;
  const metadata = { format: "pt", ...io.quantizationMetadata(network) };
  const shards = await io.writeShardedSafetensors(folder, state, { maxShardBytes, metadata });
  const isOnHub = isHubName(config.vision.tower);
  const tower = isOnHub ? config.vision.tower : "./vision_tower";
  const towerFiles = isOnHub ? [] : await writeTower(network, folder, "vision_tower", state);
  const vision = { ...config.vision, tower, width: network.image_tower.config.width };
  const json = { ...medMoeConfigJson({ ...config, vision }), torch_dtype: TORCH_NAMES[dtype] };
  await writeJson(`${folder}/config.json`, json);
  return [...shards, ...towerFiles, "config.json"];
}

/**
 * Writes what stage 1 leaves: config.json and mm_projector.bin, to be loaded with the language model that it was trained for.
 */
export async function saveProjector(network: MedMoeNetwork, folder: string, dtype: SavedDType = "BF16"): Promise<void> {
  await writeProjectorFile(network, `${folder}/mm_projector.bin`, dtype);
  const { config } = network;
  const vision = { ...config.vision, width: network.image_tower.config.width };
  await writeJson(`${folder}/config.json`, medMoeConfigJson({ ...config, vision }));
}

/** The projector's tensors by their published names, as PyTorch has them. */
export async function writeProjectorFile(network: MedMoeNetwork, file: string, dtype: SavedDType): Promise<void> {
  const own = [...medMoeState(network, dtype)].filter(({ name }) => name.startsWith(PROJECTOR_PREFIX));
  await io.writePytorch(file, own);
}

async function writeTower(
  { image_tower: { config } }: MedMoeNetwork,
  folder: string,
  inside: string,
  state: readonly io.WritableTensor[],
): Promise<string[]> {
  const own = state
    .filter(({ name }) => name.startsWith(TOWER_PREFIX))
    .map((tensor) => ({ ...tensor, name: tensor.name.slice(TOWER_PREFIX.length) }));
  const files = ["model.safetensors", "preprocessor_config.json", "config.json"].map((name) => `${inside}/${name}`);
  await io.writeSafetensors(`${folder}/${files[0]}`, own, { metadata: { format: "pt" } });
  await writeJson(`${folder}/${files[1]}`, clipImageJson(config));
  await writeJson(`${folder}/${files[2]}`, clipConfigJson(config));
  return files;
}

const TORCH_NAMES: Readonly<Record<SavedDType, string>> = { F32: "float32", F16: "float16", BF16: "bfloat16" };
