/** The fields of config.json that Med-MoE reads, by family, with what the published code takes where one is left out. */
import { z } from "zod";
import { io } from "../../../engine/index.js";
import type { DecoderConfig } from "../../decoder/config.js";

/** Which layers become mixtures: of `n` layers the first half, the second half, each second one, all, or a list. */
export const MOE_MODES = ["first_half", "second_half", "sparse", "dense", "custom"] as const;
/** One of them. */
export type MoeMode = (typeof MOE_MODES)[number];

const size = z.int().positive();
/** Of what is made one by one: layers, experts. */
const few = size.max(1000);
const rate = z.number().min(0).max(1);
const token = z.int().nonnegative().nullish();

/** Those of both families. */
const shared = {
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: few,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  rope_theta: z.number().positive().default(10_000),
  rope_scaling: z.null().optional(),
  max_position_embeddings: size,
  initializer_range: z.number().positive().default(0.02),
  tie_word_embeddings: z.literal(false).default(false),
  bos_token_id: token,
  eos_token_id: token,
  pad_token_id: token,
  mm_image_tower: z.string().nullish(),
  mm_hidden_size: size.nullish(),
  mm_vision_select_layer: z.int().default(-2),
  mm_vision_select_feature: z.enum(["patch", "cls_patch"]).default("patch"),
  image_projector_type: z
    .string()
    .regex(/^mlp[1-9]\d?x_gelu$/, "a projector of the form mlp2x_gelu is needed")
    .default("mlp2x_gelu"),
  image_aspect_ratio: z.string().nullish(),
  tokenizer_padding_side: z.literal("right").default("right"),
};

/** Of its `moe` block. */
export const moeFields = z.looseObject({
  moe_enable: z.boolean().default(true),
  moe_mode: z.enum(MOE_MODES).default("second_half"),
  moe_layers_idx: z.array(z.int().nonnegative()).nullish(),
  num_experts: z.union([few, z.array(few).min(1)]),
  top_k_experts: z.union([z.literal(1), z.literal(2)]).default(2),
  use_residual: z.boolean().default(false),
  router_aux_loss_coef: z.number().nonnegative().default(0.01),
  train_modules: z.array(z.string()).nullish(),
});

const families = {
  stablelm: z.looseObject({
    ...shared,
    hidden_act: z.literal("silu").default("silu"),
    rope_pct: rate.optional(),
    partial_rotary_factor: rate.optional(),
    norm_eps: z.number().positive().optional(),
    layer_norm_eps: z.number().positive().optional(),
    use_qkv_bias: z.boolean().default(false),
    qk_layernorm: z.literal(false).default(false),
    use_parallel_residual: z.literal(false).default(false),
    attention_dropout: rate.default(0),
    hidden_dropout: z.literal(0, "dropout of the states is not supported: 0 is needed").default(0),
  }),
  phi: z.looseObject({
    ...shared,
    hidden_act: z.enum(["gelu_new", "gelu_pytorch_tanh"]).default("gelu_new"),
    partial_rotary_factor: rate.default(0.5),
    layer_norm_eps: z.number().positive().default(1e-5),
    qk_layernorm: z.literal(false).default(false),
    resid_pdrop: rate.default(0),
    embd_pdrop: rate.default(0),
    attention_dropout: rate.default(0),
  }),
};

/** Of a `moe` block. */
export type MoeFields = z.infer<typeof moeFields>;
type Stablelm = z.infer<typeof families.stablelm>;
type Phi = z.infer<typeof families.phi>;

const common = (c: Stablelm | Phi) => ({
  vocabulary: c.vocab_size,
  width: c.hidden_size,
  hidden: c.intermediate_size,
  layers: c.num_hidden_layers,
  heads: c.num_attention_heads,
  keyValueHeads: c.num_key_value_heads ?? c.num_attention_heads,
  rotaryTheta: c.rope_theta,
  positions: c.max_position_embeddings,
  initializerRange: c.initializer_range,
});

/** Leading elements of a head, as the published code rounds them. */
const rotaryWidth = (c: Stablelm | Phi, share: number) => Math.floor((c.hidden_size / c.num_attention_heads) * share);

const stablelm = (c: Stablelm): DecoderConfig => ({
  ...common(c),
  rotaryWidth: rotaryWidth(c, c.rope_pct ?? c.partial_rotary_factor ?? 0.25),
  eps: c.norm_eps ?? c.layer_norm_eps ?? 1e-5,
  qkvBias: c.use_qkv_bias,
  dropout: { embedding: 0, residual: 0, attention: c.attention_dropout },
});

const phi = (c: Phi): DecoderConfig => ({
  ...common(c),
  rotaryWidth: rotaryWidth(c, c.partial_rotary_factor),
  eps: c.layer_norm_eps,
  qkvBias: true,
  dropout: { embedding: c.embd_pdrop, residual: c.resid_pdrop, attention: c.attention_dropout },
});

/** The fields of a config.json, and the sizes of its language model. Throws FileFormatError with every fault. */
export function parseFields(
  json: unknown,
  family: keyof typeof families,
  file: string,
): { fields: Stablelm | Phi; decoder: DecoderConfig } {
  const fields = io.parseWith<Stablelm | Phi>(families[family], json, file);
  return { fields, decoder: family === "stablelm" ? stablelm(fields as Stablelm) : phi(fields as Phi) };
}
