/** A Med-MoE small enough to be trained on two cores, with random weights and a vocabulary of its own. */
import { type Device, nn } from "../../../engine/index.js";
import type { ClipVisionConfig } from "../../clip/config.js";
import type { Conversation } from "../../data/conversation-form.js";
import { writeText } from "../../files/write.js";
import { IMAGE } from "../../text/message.js";
import { trainByteBpe } from "../../text/train-byte-bpe.js";
import { formatPrompt, templateNamed } from "../input/template.js";
import { addMixtures, PUBLISHED_FORM } from "../network/mixture.js";
import { MedMoeNetwork } from "../network/network.js";
import { parseMedMoeConfig } from "./config.js";
import { countMedMoe, type MedMoeCount } from "./count.js";
import { MIXTURES, withoutMixtures } from "./presets.js";
import { type SavedDType, saveMedMoe } from "./save.js";

/** Sizes of the tower. Its last block is not used, as in the published model. */
const TOWER: ClipVisionConfig = {
  imageSize: 64,
  patch: 16,
  width: 96,
  layers: 4,
  heads: 4,
  hidden: 192,
  eps: 1e-5,
  activation: "quickGelu",
};

/** In StableLM-2's form. */
const LANGUAGE = {
  model_type: "moe_llava_stablelm",
  moe: MIXTURES,
  hidden_size: 128,
  intermediate_size: 344,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  hidden_act: "silu",
  rope_pct: 0.25,
  rope_theta: 10_000,
  norm_eps: 1e-5,
  use_qkv_bias: true,
  max_position_embeddings: 512,
  // At this width 0.02 makes the first states so small that little is learned for long.
  initializer_range: 0.06,
  tie_word_embeddings: false,
  mm_image_tower: "./vision_tower",
  mm_hidden_size: TOWER.width,
  mm_vision_select_layer: -2,
  mm_vision_select_feature: "patch",
  image_projector_type: "mlp2x_gelu",
};

/** Pieces of the vocabulary at most. */
const VOCABULARY = 1024;

/** What `writeTinyMedMoe` takes besides the folder. */
export interface TinyOptions {
  /** An open device. */
  readonly device: Device;
  /** Texts that the vocabulary is made for. */
  readonly texts: Iterable<string>;
  /** Of the weights. */
  readonly seed: number;
  /** With mixtures, as stage moe leaves a model; else dense, as the stages begin. Default false. */
  readonly mixtures?: boolean;
  /** How weights are stored. Default F32. */
  readonly dtype?: SavedDType;
}

/**
 * Writes a model's folder: language model, tower and projector, all random; and a tokenizer. Returns how many parameters it
 * has.
 */
export async function writeTinyMedMoe(
  folder: string,
  { device, texts, seed, mixtures = false, dtype = "F32" }: TinyOptions,
): Promise<MedMoeCount> {
  const files = trainByteBpe(texts, { size: VOCABULARY, family: "stablelm" });
  const added: Record<string, number> = JSON.parse(files["added_tokens.json"]);
  const ids = Object.values(added);
  const json = {
    ...(mixtures ? LANGUAGE : withoutMixtures(LANGUAGE)),
    vocab_size: Math.max(...ids) + 1,
    bos_token_id: Math.min(...ids),
    eos_token_id: Math.min(...ids),
    pad_token_id: Math.max(...ids),
  };
  const config = parseMedMoeConfig(json, `${folder}/config.json`);
  const init = new nn.Initializer(device, seed);
  using network = new MedMoeNetwork(init, config, TOWER);
  addMixtures(network, init, PUBLISHED_FORM);
  await saveMedMoe(network, folder, { dtype });
  for (const [name, text] of Object.entries(files)) await writeText(`${folder}/${name}`, text);
  return countMedMoe(config, TOWER);
}

/** Texts for a vocabulary: conversations as prompts, and the prompt itself, twice: only what occurs twice becomes a piece. */
export function vocabularyTexts(conversations: readonly Conversation[]): string[] {
  const template = templateNamed("stablelm");
  const prompt = formatPrompt(template, [{ role: "user", text: `${IMAGE}\n` }]);
  return [prompt, prompt, ...conversations.map(({ messages }) => formatPrompt(template, messages))];
}
