import { io, nn, OptionError } from "../../engine/index.js";
import { writeJson } from "../files/write.js";
import { type AdapterConfig, CONFIG_FILE, WEIGHTS_FILE } from "./adapter-config.js";
import { fingerprint } from "./fingerprint.js";
import { adapterLayers } from "./merge.js";
import { type PromptEncoder, PromptEncoders, tableValues } from "./prompt-encoder.js";
import { shortestTargets } from "./targets.js";

/** Metadata of the weights: which model they were trained beside. */
export const BASE_KEY = "consilium.base";

/** What an adapter's folder says besides the adapter. */
export interface SaveAdapterOptions {
  /** Which adapter. Default `default`. */
  readonly name?: string;
  /** The model that it belongs to, a name or a path, for people. */
  readonly base?: string;
  /** How peft is to wrap the model: CAUSAL_LM, FEATURE_EXTRACTION; none where absent. */
  readonly taskType?: "CAUSAL_LM" | "FEATURE_EXTRACTION";
}

/**
 * Writes one adapter of `root` as Hugging Face's peft does: adapter_config.json, adapter_model.safetensors, names without the adapter's own.
 * Of a prefix the evaluated table is what is kept. Returns the settings. Throws OptionError where there is no such adapter, and for those that
 * peft has no names for (stacks of experts).
 */
export async function saveAdapter(
  folder: string,
  root: nn.Module,
  { name = nn.DEFAULT_ADAPTER, base, taskType }: SaveAdapterOptions = {},
): Promise<AdapterConfig> {
  const common = { base_model_name_or_path: base ?? null, task_type: taskType ?? null, inference_mode: true };
  const layers = [...adapterLayers(root)].filter(([, layer]) => layer.adapters.includes(name));
  if (layers.some(([, layer]) => layer.merged))
    throw new OptionError(`saveAdapter: "${name}" is merged. Call unmergeAdapters() first.`);
  const prompt = [...root.namedModules()].flatMap(([, m]) =>
    m instanceof PromptEncoders && m.names.includes(name) ? [m.get(name)] : [],
  );
  if (layers.length === 0 && prompt.length === 0)
    throw new OptionError(`saveAdapter: the model has no adapter called "${name}".`);
  const { config, tensors } = prompt.length > 0 ? await prefixFile(prompt[0]) : layersFile(root, layers, name);
  const written: AdapterConfig = { ...config, ...common };
  await io.writeSafetensors(`${folder}/${WEIGHTS_FILE}`, tensors, {
    metadata: { format: "pt", [BASE_KEY]: await fingerprint(root) },
  });
  await writeJson(`${folder}/${CONFIG_FILE}`, written);
  return written;
}

interface AdapterFile {
  readonly config: AdapterConfig;
  readonly tensors: readonly io.WritableTensor[];
}

async function prefixFile(encoder: PromptEncoder): Promise<AdapterFile> {
  const { tokens, sizes } = encoder;
  const values = await tableValues(encoder);
  return {
    config: {
      peft_type: "PREFIX_TUNING",
      num_virtual_tokens: tokens,
      token_dim: sizes.width,
      num_transformer_submodules: 1,
      num_attention_heads: sizes.heads,
      num_layers: sizes.layers,
      encoder_hidden_size: sizes.width,
      prefix_projection: encoder.transform !== undefined,
    },
    tensors: [io.writable("prompt_embeddings", [tokens, values.length / tokens], values, "F32")],
  };
}

function layersFile(
  root: nn.Module,
  layers: readonly (readonly [string, nn.AdapterLayer])[],
  name: string,
): AdapterFile {
  const paths = layers.map(([path]) => path);
  const target_modules = shortestTargets(root, paths);
  const lora = layers.flatMap(([path, layer]) => (layer instanceof nn.LowRank ? [[path, layer] as const] : []));
  if (lora.length === 0) {
    const ia3 = layers as readonly (readonly [string, nn.Ia3Linear])[];
    const inputs = ia3.flatMap(([path, layer]) => (layer.feedforward ? [path] : []));
    return {
      config: {
        peft_type: "IA3",
        target_modules,
        feedforward_modules: shortestTargets(root, inputs),
        fan_in_fan_out: false,
      },
      tensors: ia3.map(([path, layer]) =>
        io.writableTensor(`base_model.model.${path}.ia3_l`, layer.ia3_l[name], "F32"),
      ),
    };
  }
  const stacks = lora.filter(([, layer]) => layer instanceof nn.LoraExperts);
  if (stacks.length > 0)
    throw new OptionError(
      `saveAdapter: peft has no names for adapters of stacks of experts: ${stacks.map(([path]) => path).join(", ")}.`,
    );
  const settings = lora.map(([, layer]) => layer.settings(name));
  const [{ r, alpha, dropout }] = settings;
  const odd = lora.filter((_, i) => settings[i].r !== r || settings[i].alpha !== alpha).map(([path]) => path);
  if (odd.length > 0)
    throw new OptionError(`saveAdapter: adapters of one name share rank and alpha; ${odd.join(", ")} has others.`);
  return {
    config: {
      peft_type: "LORA",
      r,
      lora_alpha: alpha,
      lora_dropout: dropout,
      target_modules,
      use_rslora: false,
      bias: "none",
      fan_in_fan_out: false,
    },
    tensors: (lora as [string, nn.LoraLinear][]).flatMap(([path, layer]) =>
      (["lora_A", "lora_B"] as const).map((kind) =>
        io.writableTensor(`base_model.model.${path}.${kind}.weight`, layer[kind][name].weight, "F32"),
      ),
    ),
  };
}
