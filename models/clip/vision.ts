import {
  add,
  attention,
  concat,
  expand,
  nn,
  OptionError,
  reshape,
  scope,
  slice,
  type Tensor,
} from "../../engine/index.js";
import { type ClipVisionConfig, checkClipConfig } from "./config.js";

class ClipAttention extends nn.Module {
  q_proj: nn.Linear;
  k_proj: nn.Linear;
  v_proj: nn.Linear;
  out_proj: nn.Linear;
  readonly heads: number;

  constructor(init: nn.Initializer, { width, heads }: ClipVisionConfig) {
    super();
    this.q_proj = new nn.Linear(init, width, width);
    this.k_proj = new nn.Linear(init, width, width);
    this.v_proj = new nn.Linear(init, width, width);
    this.out_proj = new nn.Linear(init, width, width);
    this.heads = heads;
  }

  forward(x: Tensor): Tensor {
    const [B, L, C] = x.shape;
    const heads = (t: Tensor) => reshape(t, [B, L, this.heads, C / this.heads]);
    const y = attention(heads(this.q_proj.forward(x)), heads(this.k_proj.forward(x)), heads(this.v_proj.forward(x)));
    return this.out_proj.forward(reshape(y, [B, L, C]));
  }
}

class ClipMlp extends nn.Module {
  fc1: nn.Linear;
  fc2: nn.Linear;
  readonly activation: ClipVisionConfig["activation"];

  constructor(init: nn.Initializer, { width, hidden, activation }: ClipVisionConfig) {
    super();
    this.fc1 = new nn.Linear(init, width, hidden);
    this.fc2 = new nn.Linear(init, hidden, width);
    this.activation = activation;
  }

  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x, this.activation));
  }
}

/** Pre-norm block: x + attn(norm1(x)), then x + mlp(norm2(x)). */
class ClipBlock extends nn.Module {
  self_attn: ClipAttention;
  layer_norm1: nn.LayerNorm;
  mlp: ClipMlp;
  layer_norm2: nn.LayerNorm;

  constructor(init: nn.Initializer, config: ClipVisionConfig) {
    super();
    const { width, eps } = config;
    this.self_attn = new ClipAttention(init, config);
    this.layer_norm1 = new nn.LayerNorm(init, width, { eps });
    this.mlp = new ClipMlp(init, config);
    this.layer_norm2 = new nn.LayerNorm(init, width, { eps });
  }

  forward(x: Tensor): Tensor {
    const y = add(x, this.self_attn.forward(this.layer_norm1.forward(x)));
    return add(y, this.mlp.forward(this.layer_norm2.forward(y)));
  }
}

/** Which states of the tower are a model's image features. */
export interface ClipFeature {
  /** An index of the hidden states: 0 is the input of the first block, -1 the last block's output, -2 that before it. */
  readonly layer: number;
  /** patch: without the class token; cls_patch: with it, first. */
  readonly select: "patch" | "cls_patch";
}

/** How many blocks give the hidden state of that index. Throws OptionError where there is none. */
export function blocksOf(layer: number, { layers }: ClipVisionConfig): number {
  const blocks = layer < 0 ? layers + 1 + layer : layer;
  if (!Number.isInteger(layer) || blocks < 0 || blocks > layers)
    throw new OptionError(
      `The vision tower has ${layers} blocks, so ${layers + 1} hidden states; there is none of index ${layer}.`,
    );
  return blocks;
}

/**
 * The vision half of CLIP: patches, a class token, positions, a norm before the blocks. Property names, the misspelt
 * `pre_layrnorm` among them, are the published state-dict names.
 */
export class ClipVisionTower extends nn.Module {
  vision_model: {
    embeddings: { class_embedding: Tensor; patch_embedding: nn.PatchEmbed; position_embedding: nn.Embedding };
    pre_layrnorm: nn.LayerNorm;
    encoder: { layers: ClipBlock[] };
    /** Of the pooled class token, which image features do not use: kept so that checkpoints stay whole. */
    post_layernorm: nn.LayerNorm;
  };
  readonly config: ClipVisionConfig;

  constructor(init: nn.Initializer, config: ClipVisionConfig) {
    super();
    checkClipConfig(config);
    const { width, patch, imageSize, layers, eps } = config;
    const positions = (imageSize / patch) ** 2 + 1;
    const weightInit = nn.normal(0.02);
    this.vision_model = {
      embeddings: {
        class_embedding: init.parameter([width], weightInit),
        patch_embedding: new nn.PatchEmbed(init, 3, width, patch, { bias: false }),
        position_embedding: new nn.Embedding(init, positions, width, { weightInit }),
      },
      pre_layrnorm: new nn.LayerNorm(init, width, { eps }),
      encoder: { layers: Array.from({ length: layers }, () => new ClipBlock(init, config)) },
      post_layernorm: new nn.LayerNorm(init, width, { eps }),
    };
    this.config = config;
  }

  /**
   * pixels [N, 3, S, S] to a hidden state: [N, (S/patch)², width], row by row of the image, or with the class token in front.
   * Later blocks do not run.
   */
  forward(pixels: Tensor, { layer, select }: ClipFeature): Tensor {
    const { embeddings, pre_layrnorm, encoder } = this.vision_model;
    const patches = embeddings.patch_embedding.forward(pixels);
    const [N, P, C] = patches.shape;
    const cls = expand(reshape(embeddings.class_embedding, [1, 1, C]), [N, 1, C]);
    let x = pre_layrnorm.forward(add(concat([cls, patches], 1), embeddings.position_embedding.weight));
    // A scope per block frees what neither the next block nor the tape needs.
    for (const block of encoder.layers.slice(0, blocksOf(layer, this.config))) x = scope(() => block.forward(x));
    return select === "patch" ? slice(x, { dim: 1, start: 1, length: P }) : x;
  }
}
