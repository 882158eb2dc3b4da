import { type Device, type io, nn } from "../../../engine/index.js";
import { type RandomTensor, randomTensors } from "../../checkpoints/random-tensors.js";
import { addMixtures, PUBLISHED_FORM } from "../network/mixture.js";
import { MedMoeNetwork } from "../network/network.js";
import { parseMedMoeConfig } from "./config.js";
import { countMedMoe, type MedMoeCount } from "./count.js";
import { MED_MOE_PRESETS, type MedMoePreset, type MedMoePresetName, withoutMixtures } from "./presets.js";
import { medMoeState, type SavedDType, writeMedMoeFolder } from "./save.js";

/** What `initMedMoe` takes. */
export interface MedMoeInitOptions {
  /** Which sizes: those of a published model, or others. */
  readonly backbone: MedMoePresetName | MedMoePreset;
  /** Without mixtures, as before stage moe. Default false. */
  readonly dense?: boolean;
  /** Default BF16. */
  readonly dtype?: SavedDType;
  /** Of the values. Default 0. */
  readonly seed?: number;
  /** As `writeShardedSafetensors` takes it. Default 5 GB. */
  readonly maxShardBytes?: number;
  /** Shapes are computed on it, no value; it needs no room. */
  readonly device: Device;
  /** Called as tensors are written. */
  onTensor?(done: number, of: number): void;
}

/**
 * Writes a model's folder in the published layout and sizes with random weights: normal with the config's deviation, norms 1, biases
 * 0. Made tensor by tensor as it is written; the same seed, the same bytes. Returns how many parameters it has.
 */
export async function initMedMoe(
  folder: string,
  { backbone, dense = false, dtype = "BF16", seed = 0, maxShardBytes, device, onTensor }: MedMoeInitOptions,
): Promise<MedMoeCount> {
  const { json, tower } = typeof backbone === "string" ? MED_MOE_PRESETS[backbone] : backbone;
  const config = parseMedMoeConfig(dense ? withoutMixtures(json) : json, `the config of ${folder}`);
  const init = new nn.Initializer(device, 0, { dtype: "bf16", empty: true });
  using network = new MedMoeNetwork(init, config, tower);
  addMixtures(network, init, PUBLISHED_FORM);
  const { initializerRange: std } = config.decoder;
  const tensors = [...medMoeState(network, dtype)].map(
    ({ name, shape }): RandomTensor => ({ name, shape, fill: fillOf(name, std) }),
  );
  // A tower of its own folder is written a second time.
  const written = new Set<string>();
  const counted = randomTensors(tensors, dtype, seed).map((tensor) => ({
    ...tensor,
    read: () => {
      if (!written.has(tensor.name)) onTensor?.(written.add(tensor.name).size, tensors.length);
      return tensor.read();
    },
  }));
  await writeMedMoeFolder(network, folder, counted, { dtype, maxShardBytes });
  return countMedMoe(config, tower);
}

/** norm1.weight, norm.weight, pre_layrnorm.weight are 1. */
const fillOf = (name: string, std: number): RandomTensor["fill"] =>
  /bias$/.test(name) ? { value: 0 } : /(norm|layernorm|layrnorm)\d?\.weight$/.test(name) ? { value: 1 } : { std };

/**
 * Weights of a checkpoint that `convert` makes integers of: those of the language model's products. An expert's products are
 * integers together, as `nn.quantize` has them: its width and its hidden width are both whole groups, or it stays.
 */
export const isQuantizable = ({ name, shape }: io.StoredTensor, group: number): boolean =>
  /^(model\.layers\.\d+\..*|lm_head)\.weight$/.test(name) &&
  !/\.gate\.wg\.weight$|\.coefficient\.weight$/.test(name) &&
  shape.length === 2 &&
  shape[1] % group === 0 &&
  (shape[0] % group === 0 || !/experts\.\d+\./.test(name));
