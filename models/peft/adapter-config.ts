import { z } from "zod";
import { io } from "../../engine/index.js";

/** File names of Hugging Face's peft. */
export const CONFIG_FILE = "adapter_config.json";
export const WEIGHTS_FILE = "adapter_model.safetensors";
/** As older versions wrote the weights: by PyTorch. */
export const OLD_WEIGHTS_FILE = "adapter_model.bin";

const size = z.int().positive();
const names = z.union([z.string(), z.array(z.string())]);

/** What peft writes for every method. */
const common = {
  /** The model that the adapter was trained beside, as its maker called it. */
  base_model_name_or_path: z.string().nullish(),
  /** CAUSAL_LM, FEATURE_EXTRACTION, or none. */
  task_type: z.string().nullish(),
};

const lora = z.looseObject({
  ...common,
  /** LoRA. */
  peft_type: z.literal("LORA"),
  /** Rank. */
  r: size,
  /** The branch counts lora_alpha / r, or lora_alpha / √r with `use_rslora`. */
  lora_alpha: z.number().positive(),
  /** On the branch's input, in training. */
  lora_dropout: z.number().min(0).max(1).default(0),
  /** Names, or an expression. */
  target_modules: names.nullish(),
  /** Targets that are none all the same. */
  exclude_modules: names.nullish(),
  /** Numbers of the layers whose targets they are. */
  layers_to_transform: z.union([z.int(), z.array(z.int())]).nullish(),
  /** What the list of these layers is called. */
  layers_pattern: names.nullish(),
  /** Rank-stabilised. */
  use_rslora: z.boolean().default(false),
});

const ia3 = z.looseObject({
  ...common,
  /** IA3. */
  peft_type: z.literal("IA3"),
  /** Names, or an expression. */
  target_modules: names.nullish(),
  /** Targets that are none all the same. */
  exclude_modules: names.nullish(),
  /** Those of them whose factors stand on their inputs. */
  feedforward_modules: names.nullish(),
});

const prefix = z.looseObject({
  ...common,
  /** Prefix tuning, and P-Tuning v2, which is the same without a projection. */
  peft_type: z.literal("PREFIX_TUNING"),
  /** Keys in front of those of words. */
  num_virtual_tokens: size,
  /** Width of all heads together. */
  token_dim: size.nullish(),
  /** Of keys and values. */
  num_attention_heads: size.nullish(),
  /** With self-attention. */
  num_layers: size.nullish(),
  /** Whether it was learned through a small network, of which the file has the result. */
  prefix_projection: z.boolean().default(false),
});

const schema = z.discriminatedUnion("peft_type", [lora, ia3, prefix]);

/** adapter_config.json, as far as it decides what the adapter computes. */
export type AdapterConfig = z.infer<typeof schema>;
export type LoraConfig = Extract<AdapterConfig, { peft_type: "LORA" }>;
export type Ia3Config = Extract<AdapterConfig, { peft_type: "IA3" }>;
export type PrefixConfig = Extract<AdapterConfig, { peft_type: "PREFIX_TUNING" }>;

const NEEDED = `An adapter is a folder with ${CONFIG_FILE} and ${WEIGHTS_FILE}, as peft's save_pretrained writes it: check the path`;

/** Reads adapter_config.json of a folder. Throws FileError or FileFormatError with all that is wrong. */
export async function readAdapterConfig(folder: string): Promise<AdapterConfig> {
  const file = `${folder}/${CONFIG_FILE}`;
  return io.parseWith(schema, io.parseJson(await io.readText(file, NEEDED), file), file);
}

/** Settings that change what an adapter computes, and the values that leave it as it is here. */
const UNCHANGING: Readonly<Record<string, readonly unknown[]>> = {
  bias: ["none"],
  fan_in_fan_out: [false],
  use_dora: [false],
  lora_bias: [false],
  use_qalora: [false],
  use_bdlora: [false],
  alora_invocation_tokens: [],
  arrow_config: [],
  kasa_config: [],
  monteclora_config: [],
  velora_config: [],
  num_transformer_submodules: [1],
};

/** Where LoRA may start from and leave the weights beside it alone. PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA take the start out of them. */
const STARTS: readonly unknown[] = [true, false, "gaussian", "eva", "orthogonal"];

/** Beside the original weights, branches that were learned beside changed ones compute something else. */
function otherStart(start: unknown): string[] {
  if (start === undefined || start === null || STARTS.includes(start)) return [];
  return [
    `${CONFIG_FILE}: init_lora_weights is ${JSON.stringify(start)}, which changed the model's own weights, and these are not in the file. Let peft convert it: save_pretrained(..., path_initial_model_for_weight_conversion=...)`,
  ];
}

/** Settings of a file that nothing here does, each as a problem. */
export function unsupported(config: AdapterConfig): string[] {
  const given = config as Record<string, unknown>;
  const known = Object.entries(UNCHANGING).flatMap(([key, plain]) => {
    const value = given[key];
    return value === undefined || value === null || plain.includes(value) ? [] : [key];
  });
  const filled = [
    "rank_pattern",
    "alpha_pattern",
    "modules_to_save",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
  ];
  const others = filled.filter((key) => {
    const value = given[key];
    return value !== undefined && value !== null && Object.keys(value as object).length > 0;
  });
  const unknown = [...known, ...others].map(
    (key) => `${CONFIG_FILE}: ${key} is ${JSON.stringify(given[key])}, which is not supported`,
  );
  return [...unknown, ...otherStart(given.init_lora_weights)];
}
