import { z } from "zod";
import { platform } from "#platform";
import { io, OptionError } from "../../../engine/index.js";
import type { ClipFeature } from "../../clip/vision.js";
import { type DecoderConfig, decoderMisfits } from "../../decoder/config.js";
import { hasRunFile } from "../../training/run-file.js";
import { stateFile } from "../../training/run-state.js";
import { MOE_MODES, type MoeFields, type MoeMode, moeFields, parseFields } from "./config-fields.js";

/** The language models that Med-MoE is built on. */
export type Family = "stablelm" | "phi";

/** The mixtures of a model, as its `moe` block says. */
export interface MoeConfig {
  /** How the layers were chosen. */
  readonly mode: MoeMode;
  /** Which layers are mixtures, in order. */
  readonly layers: readonly number[];
  /** Experts of each of them. */
  readonly experts: readonly number[];
  /** Experts that a token is sent to: 1 or 2. */
  readonly topK: 1 | 2;
  /** DeepSpeed's residual mixture, which Med-MoE offers and no release uses. */
  readonly residual: boolean;
  /** Weight of the load-balancing losses' sum in the loss; 0 in Med-MoE. */
  readonly auxLoss: number;
  /** Parts of names: the parameters of the language model that MoE tuning trains. */
  readonly trainModules: readonly string[];
}

/** What stands between images and the language model. */
export interface VisionConfig {
  /** Where the tower comes from: a folder or a hub's name, as config.json has it; null where it says nothing, or no longer fits. */
  readonly tower: string | null;
  /** Width of the image features; null where config.json says nothing. */
  readonly width: number | null;
  /** Which states of the tower are used. */
  readonly feature: ClipFeature;
  /** Linear layers of the projector, with GELU between them. */
  readonly projectorLayers: number;
  /** Whether images are padded to a square, as in the training of stages 2 and 3. */
  readonly pad: boolean;
}

/** A Med-MoE model, or one on the way to it: a language model, a LLaVA of dense layers, a mixture. */
export interface MedMoeConfig {
  /** Which language model. */
  readonly family: Family;
  /** Sizes of the language model. */
  readonly decoder: DecoderConfig;
  /** Null: all layers are dense. */
  readonly moe: MoeConfig | null;
  /** What its images come through. */
  readonly vision: VisionConfig;
  /** Tokens by role; null where config.json does not say. */
  readonly tokens: {
    /** In front of a text. */
    readonly begin: number | null;
    /** Behind an answer. */
    readonly end: number | null;
    /** Fills rows of a batch. */
    readonly pad: number | null;
  };
  /** The file's own object: what is not read here is written back as it was. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** model_type of config.json: family, and whether there are mixtures. `msft` forms of Phi have other tensors. */
const MODEL_TYPES: Readonly<Record<string, { family: Family; moe: boolean }>> = {
  moe_llava_stablelm: { family: "stablelm", moe: true },
  moe_llava_phi: { family: "phi", moe: true },
  llava_stablelm: { family: "stablelm", moe: false },
  llava_phi: { family: "phi", moe: false },
  stablelm_epoch: { family: "stablelm", moe: false },
  stablelm: { family: "stablelm", moe: false },
  phi: { family: "phi", moe: false },
};

/** Whether a `model_type` is one of Med-MoE, or of the language models it comes from. */
export const isMedMoeType = (type: string): boolean => Object.hasOwn(MODEL_TYPES, type);

/** The names by which MoE tuning finds the MLPs of each family. */
export const TRAIN_MODULES: Readonly<Record<Family, readonly string[]>> = {
  stablelm: ["gate_proj", "up_proj", "down_proj", "wg"],
  phi: ["fc1", "fc2", "wg"],
};

/**
 * The config.json of a Med-MoE (`moe_llava_*`), of its dense stages (`llava_*`), or of a base language model. Throws
 * FileFormatError with everything that is wrong or does not fit together.
 */
export function parseMedMoeConfig(json: unknown, file: string): MedMoeConfig {
  if (z.object({ format: z.number(), model: z.object({ visionWidth: z.number() }) }).safeParse(json).success)
    throw new io.FileFormatError(
      file,
      "it is that of a MISS model, which is another family",
      `Ask it by MissVqa or \`consilium eval miss\`; Med-MoE reads ${Object.keys(MODEL_TYPES).join(", ")}`,
    );
  const { model_type: type } = io.parseWith(z.looseObject({ model_type: z.string() }), json, file);
  const known = isMedMoeType(type) ? MODEL_TYPES[type] : null;
  if (!known)
    throw new io.FileFormatError(
      file,
      `model_type is "${type}", which is another family of models`,
      `Med-MoE reads ${Object.keys(MODEL_TYPES).join(", ")}`,
    );
  const { family } = known;
  const { fields: c, decoder } = parseFields(json, family, file);
  const block = known.moe || c.moe ? io.parseWith(z.looseObject({ moe: moeFields }), json, file).moe : null;
  const wrong = decoderMisfits(decoder);
  if (!known.moe && block?.moe_enable) wrong.push(`model_type ${type} is dense, but moe.moe_enable is true`);
  if (known.moe && !block?.moe_enable) wrong.push(`model_type ${type} has mixtures, but moe.moe_enable is false`);
  const moe = known.moe && block?.moe_enable ? mixtures(block, family, decoder.layers, wrong) : null;
  if (wrong.length)
    throw new io.FileFormatError(
      file,
      `its sizes do not fit together: ${wrong.join("; ")}`,
      "Correct it, or copy the model's folder anew",
    );
  return {
    family,
    decoder,
    moe,
    vision: {
      tower: c.mm_image_tower ?? null,
      width: c.mm_hidden_size ?? null,
      feature: { layer: c.mm_vision_select_layer, select: c.mm_vision_select_feature },
      projectorLayers: Number(/\d+/.exec(c.image_projector_type)?.[0]),
      pad: c.image_aspect_ratio === "pad",
    },
    tokens: { begin: c.bos_token_id ?? null, end: c.eos_token_id ?? null, pad: c.pad_token_id ?? null },
    json: json as Record<string, unknown>,
  };
}

/** What is wrong goes into `wrong`. */
function mixtures(block: MoeFields, family: Family, n: number, wrong: string[]): MoeConfig {
  const listed = block.moe_layers_idx ?? null;
  const chosen = block.moe_mode === "custom" ? null : moeLayers(block.moe_mode, n);
  const layers = listed ?? chosen ?? [];
  if (!listed && !chosen) wrong.push("moe.moe_mode is custom, but moe.moe_layers_idx lists no layers");
  for (const [i, layer] of layers.entries()) {
    if (layer >= n) wrong.push(`moe.moe_layers_idx has ${layer}, but there are ${n} layers`);
    if (i > 0 && layer <= layers[i - 1])
      wrong.push(`moe.moe_layers_idx has ${layer} after ${layers[i - 1]}; each layer once, in order`);
  }
  if (listed && chosen && `${listed}` !== `${chosen}`)
    wrong.push(
      `moe.moe_layers_idx is [${listed.join(", ")}], but moe.moe_mode ${block.moe_mode} of ${n} layers is [${chosen.join(", ")}]; another list is called custom`,
    );
  const given = [block.num_experts].flat();
  if (given.length !== 1 && given.length !== layers.length)
    wrong.push(
      `moe.num_experts has ${given.length} entries for ${layers.length} mixtures; one for each, or one for all, is needed`,
    );
  const experts = layers.map((_, i) => (given.length === 1 ? given[0] : given[i]));
  const few = given.filter((e) => e < block.top_k_experts);
  if (few.length) wrong.push(`moe.top_k_experts is ${block.top_k_experts}, but a mixture has ${few[0]} expert`);
  return {
    mode: block.moe_mode,
    layers,
    experts,
    topK: block.top_k_experts,
    residual: block.use_residual,
    auxLoss: block.router_aux_loss_coef,
    trainModules: block.train_modules ?? TRAIN_MODULES[family],
  };
}

/** The layers that a mode makes mixtures of. */
export function moeLayers(mode: Exclude<MoeMode, "custom">, n: number): number[] {
  const all = Array.from({ length: n }, (_, i) => i);
  const half = Math.floor(n / 2);
  switch (mode) {
    case "first_half":
      return all.slice(0, half);
    case "second_half":
      return all.slice(half);
    case "sparse":
      return all.filter((i) => i % 2 === 0);
    case "dense":
      return all;
    default:
      throw new OptionError(`Unknown mode "${mode satisfies never}". Known: ${MOE_MODES.join(", ")}.`);
  }
}

const NEEDED = "A Med-MoE model is a folder with config.json and its weights: check the path";

/** Reads config.json of a model's folder. Throws FileFormatError, too, for the folder of a run that has made no model yet. */
export async function readMedMoeConfig(folder: string): Promise<MedMoeConfig> {
  const path = `${folder}/config.json`;
  if ((await hasRunFile(folder)) && !(await platform.exists(path))) throw await runAlone(folder);
  return parseMedMoeConfig(io.parseJson(await io.readText(path, NEEDED), path), path);
}

/** Why the folder of a run is no model, and what to do. */
async function runAlone(folder: string): Promise<io.FileFormatError> {
  if (await platform.exists(`${folder}/router.pth`))
    return new io.FileFormatError(
      folder,
      "it holds the router of stage router, and no model",
      `Name the model of stage moe, or that of another with this as its router: --router ${folder}`,
    );
  const goOn = `Go on with: npx consilium train med-moe --out ${folder} --resume`;
  const write = `Or write its last checkpoint as a model: npx consilium export ${folder} --out MODEL`;
  return (await platform.exists(stateFile(folder)))
    ? new io.FileFormatError(folder, "it holds a run that is not finished, and no model yet", `${goOn}. ${write}`)
    : new io.FileFormatError(folder, "it holds a run that stopped before its first checkpoint", goOn);
}

/** Whether config.json is that of a model that sees images, or of a language model alone. */
export const isMultimodal = ({ json }: MedMoeConfig) => /llava/.test(String(json.model_type));

/** The config.json of a model: the file it was read from, with what training changed. */
export function medMoeConfigJson({ family, moe, vision, json }: MedMoeConfig): Record<string, unknown> {
  const name = family === "stablelm" ? "Stablelm" : "Phi";
  const before = (json.moe ?? {}) as Record<string, unknown>;
  return {
    ...json,
    architectures: [`${moe ? "MoELLaVA" : "Llava"}${name}ForCausalLM`],
    model_type: `${moe ? "moe_" : ""}llava_${family}`,
    mm_image_tower: vision.tower,
    mm_hidden_size: vision.width,
    image_projector_type: `mlp${vision.projectorLayers}x_gelu`,
    mm_vision_select_layer: vision.feature.layer,
    mm_vision_select_feature: vision.feature.select,
    use_mm_proj: true,
    image_aspect_ratio: vision.pad ? "pad" : "square",
    tokenizer_padding_side: "right",
    ...(moe && {
      moe: {
        ep_size: 1,
        capacity_factor: 1.5,
        eval_capacity_factor: 2,
        min_capacity: 0,
        ...before,
        moe_enable: true,
        moe_mode: moe.mode,
        moe_layers_idx: moe.layers,
        num_experts: moe.experts,
        top_k_experts: moe.topK,
        use_residual: moe.residual,
        router_aux_loss_coef: moe.auxLoss,
        train_modules: moe.trainModules,
      },
    }),
  };
}
