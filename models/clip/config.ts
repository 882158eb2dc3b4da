import { z } from "zod";
import { io, OptionError } from "../../engine/index.js";

/** Sizes of a CLIP vision tower (Radford et al., arXiv 2103.00020; config.json of `clip_vision_model`). */
export interface ClipVisionConfig {
  /** Side of the square image in pixels; `patch` divides it. */
  readonly imageSize: number;
  /** Side of a patch in pixels. */
  readonly patch: number;
  /** Width of the residual stream. */
  readonly width: number;
  /** Blocks. */
  readonly layers: number;
  /** They divide the width. */
  readonly heads: number;
  /** Inner width of the MLPs. */
  readonly hidden: number;
  /** Of the layer norms. */
  readonly eps: number;
  /** Activation of the MLPs. */
  readonly activation: "quickGelu" | "gelu";
}

/** clip-vit-large-patch14-336: 303,507,456 parameters. */
export const CLIP_VIT_L_14_336: ClipVisionConfig = {
  imageSize: 336,
  patch: 14,
  width: 1024,
  layers: 24,
  heads: 16,
  hidden: 4096,
  eps: 1e-5,
  activation: "quickGelu",
};

const ACTIVATIONS = { quick_gelu: "quickGelu", gelu: "gelu" } as const;

const size = z.int().positive();
const vision = z.looseObject({
  image_size: size.default(224),
  patch_size: size.default(32),
  hidden_size: size.default(768),
  num_hidden_layers: size.max(1000).default(12),
  num_attention_heads: size.default(12),
  intermediate_size: size.default(3072),
  layer_norm_eps: z.number().positive().default(1e-5),
  hidden_act: z.enum(["quick_gelu", "gelu"]).default("quick_gelu"),
  num_channels: z.literal(3).default(3),
});
const schema = z.looseObject({ model_type: z.enum(["clip_vision_model", "clip"]), vision_config: vision.optional() });

/**
 * The vision tower of a config.json of Hugging Face: `clip_vision_model`, or `clip`, of which only the vision half counts.
 * Keys that are left out have the library's defaults. Throws FileFormatError with everything that is wrong.
 */
export function parseClipConfig(json: unknown, file: string): ClipVisionConfig {
  const { model_type, vision_config, ...rest } = io.parseWith(schema, json, file);
  const c = io.parseWith(vision, model_type === "clip" ? (vision_config ?? {}) : rest, file);
  const config = {
    imageSize: c.image_size,
    patch: c.patch_size,
    width: c.hidden_size,
    layers: c.num_hidden_layers,
    heads: c.num_attention_heads,
    hidden: c.intermediate_size,
    eps: c.layer_norm_eps,
    activation: ACTIVATIONS[c.hidden_act],
  };
  const wrong = misfits(config);
  if (wrong.length) throw new io.FileFormatError(file, wrong.join("; "), "Correct it, or copy the model's folder anew");
  return config;
}

/** Throws OptionError with everything about these sizes that does not fit together. */
export function checkClipConfig(config: ClipVisionConfig): void {
  const wrong = misfits(config);
  if (wrong.length) throw new OptionError(`The sizes of the vision tower do not fit together: ${wrong.join("; ")}.`);
}

function misfits({ imageSize, patch, width, heads }: ClipVisionConfig): string[] {
  const wrong: string[] = [];
  if (imageSize % patch !== 0) wrong.push(`image_size ${imageSize} is not a multiple of patch_size ${patch}`);
  if (width % heads !== 0) wrong.push(`hidden_size ${width} is not a multiple of num_attention_heads ${heads}`);
  return wrong;
}

/** The config.json of a tower, as it is written beside a model. */
export const clipConfigJson = (c: ClipVisionConfig) => ({
  model_type: "clip_vision_model",
  hidden_act: c.activation === "gelu" ? "gelu" : "quick_gelu",
  num_channels: 3,
  hidden_size: c.width,
  intermediate_size: c.hidden,
  num_hidden_layers: c.layers,
  num_attention_heads: c.heads,
  image_size: c.imageSize,
  patch_size: c.patch,
  layer_norm_eps: c.eps,
});

/** The preprocessor_config.json of a tower: how its library prepares images. */
export const clipImageJson = ({ imageSize }: ClipVisionConfig) => ({
  image_processor_type: "CLIPImageProcessor",
  feature_extractor_type: "CLIPFeatureExtractor",
  do_resize: true,
  size: { shortest_edge: imageSize },
  resample: 3,
  do_center_crop: true,
  crop_size: { height: imageSize, width: imageSize },
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
  do_convert_rgb: true,
});
