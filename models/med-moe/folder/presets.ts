/** config.json of the models that Med-MoE publishes. */
import type { ClipVisionConfig } from "../../clip/config.js";
import { CLIP_VIT_L_14_336 } from "../../clip/config.js";

/** A model to begin with. */
export interface MedMoePreset {
  /** Its config.json. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Sizes of its vision tower. */
  readonly tower: ClipVisionConfig;
}

const vision = {
  mm_image_tower: "openai/clip-vit-large-patch14-336",
  mm_hidden_size: 1024,
  image_projector_type: "mlp2x_gelu",
  mm_vision_select_layer: -2,
  mm_vision_select_feature: "patch",
  use_mm_proj: true,
  image_aspect_ratio: "pad",
  tokenizer_padding_side: "right",
  use_cache: true,
  tie_word_embeddings: false,
};

/** The `moe` block: each second layer is a mixture of four experts, of which a token has one, and the meta expert. */
export const MIXTURES = {
  moe_enable: true,
  moe_mode: "sparse",
  num_experts: [4],
  top_k_experts: 1,
  use_residual: false,
  router_aux_loss_coef: 0,
};

const stablelm = {
  model_type: "moe_llava_stablelm",
  architectures: ["MoELLaVAStablelmForCausalLM"],
  hidden_act: "silu",
  rope_pct: 0.25,
  rope_theta: 10000,
  initializer_range: 0.02,
  norm_eps: 1e-5,
  use_qkv_bias: true,
  moe: MIXTURES,
};

/** Names of the presets: the language models that they are built on. */
export type MedMoePresetName = "stablelm-2-1.6b" | "phi-2";

/** Models to begin with, by the language model that they are built on. */
export const MED_MOE_PRESETS: Readonly<Record<MedMoePresetName, MedMoePreset>> = {
  "stablelm-2-1.6b": {
    json: {
      ...stablelm,
      ...vision,
      vocab_size: 100352,
      hidden_size: 2048,
      intermediate_size: 5632,
      num_hidden_layers: 24,
      num_attention_heads: 32,
      num_key_value_heads: 32,
      max_position_embeddings: 4096,
      bos_token_id: 100257,
      eos_token_id: 100257,
      pad_token_id: 100280,
    },
    tower: CLIP_VIT_L_14_336,
  },
  "phi-2": {
    json: {
      model_type: "moe_llava_phi",
      architectures: ["MoELLaVAPhiForCausalLM"],
      ...vision,
      vocab_size: 51200,
      hidden_size: 2560,
      intermediate_size: 10240,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 32,
      hidden_act: "gelu_new",
      max_position_embeddings: 2048,
      partial_rotary_factor: 0.4,
      rope_theta: 10000,
      initializer_range: 0.02,
      layer_norm_eps: 1e-5,
      resid_pdrop: 0.1,
      embd_pdrop: 0,
      attention_dropout: 0,
      bos_token_id: 50256,
      eos_token_id: 50256,
      pad_token_id: 50295,
      moe: MIXTURES,
    },
    tower: CLIP_VIT_L_14_336,
  },
};

/** The config.json of the dense model that the mixtures are made of: what stage align begins with. */
export function withoutMixtures({ moe, ...json }: MedMoePreset["json"]): MedMoePreset["json"] {
  const dense = (name: unknown) => String(name).replace(/^moe_|^MoE/, "");
  const architectures = (json.architectures as readonly string[] | undefined)?.map(dense);
  return { ...json, ...(architectures && { architectures }), model_type: dense(json.model_type) };
}
