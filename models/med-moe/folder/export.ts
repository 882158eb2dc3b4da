/** A release: the folder of a model that the published code loads, with nothing of its training but what it learnt. */
import { platform } from "#platform";
import { type Device, type FloatDType, io, nn, OptionError, type Tensor } from "../../../engine/index.js";
import { writeText } from "../../files/write.js";
import { baseParameters, withMergedAdapters } from "../../peft/merge.js";
import { trainedParameters } from "../../peft/trainable.js";
import { hasTokenizer, loadTokenizer } from "../../text/tokenizer-folder.js";
import { restoreParameters, stateFile } from "../../training/run-state.js";
import type { MedMoeNetwork } from "../network/network.js";
import { startingPoint } from "../training/starting-point.js";
import { located } from "../training/train.js";
import type { FoundModel } from "../training/train-options.js";
import { openMedMoeState } from "../training/train-state.js";
import type { Family } from "./config.js";
import { hasCheckpoint, loadMedMoe, type MedMoeLoadOptions } from "./load.js";
import { type SavedDType, saveMedMoe, writeProjectorFile } from "./save.js";

/** What `exportMedMoe` takes besides the folders. */
export interface MedMoeExportOptions extends Omit<MedMoeLoadOptions, "dtype" | "seed"> {
  /** How weights are stored. Default BF16, as published. */
  readonly dtype?: SavedDType;
  /** As `writeShardedSafetensors` takes it. Default 5 GB. */
  readonly maxShardBytes?: number;
  /** Finds what the settings of a run name. Default: names are paths. */
  find?(name: string): Promise<FoundModel>;
}

/** What was exported. */
export interface ExportedMedMoe {
  /** Names of the files of the release. */
  readonly files: readonly string[];
  /** Steps of the run whose checkpoint it is; null of a finished model. */
  readonly step: number | null;
  /** Names of the checkpoint that the model does not have, and that were left out. */
  readonly unused: readonly string[];
  /** Parameters of the release. */
  readonly parameters: number;
}

/** A network with the files of its tokenizer. */
interface Source {
  readonly network: MedMoeNetwork;
  readonly tokenizer: Readonly<Record<string, string>>;
  readonly step: number | null;
  readonly unused: readonly string[];
}

/**
 * Writes the model of a folder into another as it is published: safetensors in shards with an index where it is large, config.json,
 * generation_config.json, the tokenizer's files, the vision tower where it has no name on a hub; and beside them, as they are
 * trained, mm_projector.bin and router.pth (where all mixtures have the same router). Parts that lie in other places (`base`, `tower`,
 * `projector`, `router`) are put in. The folder of a run that is not finished gives the model of its last checkpoint; adapters
 * are folded into their weights.
 *
 * Rejects, before anything is written, where `out` holds a model, and for a folder that is no whole model: a language model that has
 * seen no images, weights as integers, no tokenizer; and as `loadMedMoe` does.
 */
export async function exportMedMoe(
  folder: string,
  out: string,
  { dtype = "BF16", maxShardBytes, find, ...parts }: MedMoeExportOptions,
): Promise<ExportedMedMoe> {
  if (await platform.exists(`${out}/config.json`))
    throw new OptionError(`${out} holds a model already. Remove it, or write elsewhere.`);
  const { network, tokenizer, step, unused } = await open(folder, dtype, parts, find);
  using _ = network;
  const routers = await routerOf(network);
  const files = await withMergedAdapters(network, () => saveMedMoe(network, out, { dtype, maxShardBytes }));
  await writeProjectorFile(network, `${out}/mm_projector.bin`, dtype);
  if (routers) await io.writePytorch(`${out}/router.pth`, routers);
  const { family, tokens } = network.config;
  const texts: Readonly<Record<string, string>> = {
    "generation_config.json": `${JSON.stringify(generationConfig(tokens), null, 2)}\n`,
    "tokenizer_config.json": `${JSON.stringify({ tokenizer_class: TOKENIZERS[family] }, null, 2)}\n`,
    ...tokenizer,
  };
  for (const [name, text] of Object.entries(texts)) await writeText(`${out}/${name}`, text);
  return {
    files: [...files, "mm_projector.bin", ...(routers ? ["router.pth"] : []), ...Object.keys(texts)].sort(),
    step,
    unused,
    parameters: [...baseParameters(network)].reduce((sum, [, { size }]) => sum + size, 0),
  };
}

/** Where a tokenizer's own settings do not say it. */
const TOKENIZERS: Readonly<Record<Family, string>> = { stablelm: "GPT2Tokenizer", phi: "CodeGenTokenizer" };

const generationConfig = ({ begin, end, pad }: MedMoeNetwork["config"]["tokens"]) => ({
  _from_model_config: true,
  ...(begin !== null && { bos_token_id: begin }),
  ...(end !== null && { eos_token_id: end }),
  ...(pad !== null && { pad_token_id: pad }),
});

type Parts = Omit<MedMoeLoadOptions, "dtype" | "seed">;

async function open(
  folder: string,
  dtype: SavedDType,
  parts: Parts,
  find: MedMoeExportOptions["find"],
): Promise<Source> {
  const isRun = !(await hasCheckpoint(folder)) && (await platform.exists(stateFile(folder)));
  return isRun ? openRun(folder, parts, find) : openModel(folder, dtype, parts);
}

async function openModel(folder: string, dtype: SavedDType, parts: Parts): Promise<Source> {
  await refuseIntegers(folder);
  const { network, newProjector, unused } = await loadMedMoe(folder, { ...parts, dtype: held(dtype, parts.device) });
  try {
    const { family } = network.config;
    const refuse = (what: string, advice: string) => new io.FileFormatError(folder, what, advice);
    if (newProjector)
      throw refuse(
        "it is a language model that has seen no images",
        "Train it by `train med-moe`, or name a projector",
      );
    if ([...network.parameters()].some((p) => p.dtype === "u32"))
      throw refuse(
        "its weights are integers, which the published code does not read",
        "Export the folder that they were converted from",
      );
    const home = parts.base !== undefined && !(await hasTokenizer(folder)) ? parts.base : folder;
    return { network, tokenizer: (await loadTokenizer(home, family)).files, step: null, unused };
  } catch (error) {
    network.dispose();
    throw error;
  }
}

async function refuseIntegers(folder: string): Promise<void> {
  if (!(await hasCheckpoint(folder))) return;
  await using reader = await io.openCheckpoint(folder);
  if (io.quantizationOf(reader))
    throw new io.FileFormatError(
      reader.file,
      "its weights are integers, which the published code does not read",
      "Export the folder that they were converted from",
    );
}

/** On the device weights have the type that they are written in, where it has that. */
function held(dtype: SavedDType, { name }: Device): FloatDType {
  if (dtype === "F32" || name === "webgpu") return "f32";
  return dtype === "BF16" ? "bf16" : "f16";
}

/** The model of a run's last checkpoint: what the run started from, and what it changed so far. */
async function openRun(
  folder: string,
  { device, topK, ...others }: Parts,
  find: MedMoeExportOptions["find"],
): Promise<Source> {
  const [other] = Object.entries(others).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (other !== undefined || topK !== undefined)
    throw new OptionError(
      `${folder} holds a run that is not finished, whose settings name its parts: leave \`${other ?? "topK"}\` out.`,
    );
  const { state, reader } = await openMedMoeState(folder);
  try {
    const { config, step } = state;
    if (config.stage === "router")
      throw new io.FileFormatError(
        folder,
        "it is a run of stage router, which makes no model",
        "Give its router.pth to stage moe, and export what that writes",
      );
    const { network, files } = await startingPoint((await located(config, { find })).local, { device });
    try {
      const trained = trainedParameters(network);
      await restoreParameters(reader, trained);
      network.config = { ...network.config, vision: { ...network.config.vision, pad: config.pad } };
      return { network, tokenizer: files, step, unused: [] };
    } catch (error) {
      network.dispose();
      throw error;
    }
  } finally {
    await reader.close();
  }
}

/** The tensors of a router file; null where there is no mixture, or where routers differ. */
async function routerOf(network: MedMoeNetwork): Promise<io.WritableTensor[] | null> {
  const mixtures = network.model.layers.flatMap(({ mlp }) => (mlp instanceof nn.MixtureOfExperts ? [mlp] : []));
  const values = async (t: Tensor) => (await t.data()) as Float32Array;
  const all = await Promise.all(
    mixtures.map(async ({ wg }) => ({
      weight: await values(wg.weight),
      bias: wg.bias ? await values(wg.bias) : new Float32Array(wg.weight.shape[0]),
    })),
  );
  if (all.length === 0) return null;
  const [{ weight, bias }] = all;
  const equal = (a: Float32Array, b: Float32Array) => a.length === b.length && a.every((value, i) => value === b[i]);
  if (!all.every((router) => equal(router.weight, weight) && equal(router.bias, bias))) return null;
  return [
    io.writable("fc1.weight", mixtures[0].wg.weight.shape, weight, "F32"),
    io.writable("fc1.bias", [bias.length], bias, "F32"),
  ];
}
