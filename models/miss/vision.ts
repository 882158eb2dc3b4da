import {
  add,
  attentionPacked,
  checkpoint,
  concat,
  dropPath,
  expand,
  nn,
  reshape,
  scope,
  type Tensor,
} from "../../engine/index.js";
import type { MissConfig } from "./config.js";

class VisionAttention extends nn.Module {
  qkv: nn.LinearLayer;
  proj: nn.LinearLayer;
  readonly heads: number;

  constructor(init: nn.Initializer, { visionWidth: width, visionHeads: heads, initializerRange }: MissConfig) {
    super();
    const weightInit = nn.truncatedNormal(initializerRange);
    this.qkv = new nn.Linear(init, width, 3 * width, { weightInit, biasInit: nn.constant(0) });
    this.proj = new nn.Linear(init, width, width, { weightInit, biasInit: nn.constant(0) });
    this.heads = heads;
  }

  forward(x: Tensor): Tensor {
    const [B, N, C] = x.shape;
    const qkv = reshape(this.qkv.forward(x), [B, N, 3, this.heads, C / this.heads]);
    return this.proj.forward(reshape(attentionPacked(qkv), [B, N, C]));
  }
}

class VisionMlp extends nn.Module {
  fc1: nn.LinearLayer;
  fc2: nn.LinearLayer;

  constructor(init: nn.Initializer, { visionWidth: width, visionMlp: hidden, initializerRange }: MissConfig) {
    super();
    const weightInit = nn.truncatedNormal(initializerRange);
    this.fc1 = new nn.Linear(init, width, hidden, { weightInit, biasInit: nn.constant(0) });
    this.fc2 = new nn.Linear(init, hidden, width, { weightInit, biasInit: nn.constant(0) });
  }

  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x, "gelu"));
  }
}

/** Pre-norm block: x + attn(norm1(x)), then x + mlp(norm2(x)); branches dropped per sample in training. */
class VisionBlock extends nn.Module {
  norm1: nn.LayerNorm;
  attn: VisionAttention;
  norm2: nn.LayerNorm;
  mlp: VisionMlp;
  readonly dropPath: number;

  constructor(init: nn.Initializer, config: MissConfig, rate: number) {
    super();
    const { visionWidth: width, visionEps: eps } = config;
    this.norm1 = new nn.LayerNorm(init, width, { eps });
    this.attn = new VisionAttention(init, config);
    this.norm2 = new nn.LayerNorm(init, width, { eps });
    this.mlp = new VisionMlp(init, config);
    this.dropPath = rate;
  }

  forward(x: Tensor): Tensor {
    const rate = this.training ? this.dropPath : 0;
    const y = add(x, dropPath(this.attn.forward(this.norm1.forward(x)), rate));
    return add(y, dropPath(this.mlp.forward(this.norm2.forward(y)), rate));
  }
}

/** ViT without a head: all tokens, the class token first. Dosovitskiy et al., arXiv 2010.11929. */
export class VisionTransformer extends nn.Module {
  cls_token: Tensor;
  pos_embed: Tensor;
  patch_embed: { proj: nn.Layer };
  blocks: VisionBlock[];
  norm: nn.LayerNorm;
  /** How many blocks, the last ones, compute their insides again in the backward pass instead of keeping them. */
  checkpointBlocks = 0;

  constructor(init: nn.Initializer, config: MissConfig) {
    super();
    const { visionWidth: width, visionDepth: depth, patch } = config;
    const weightInit = nn.truncatedNormal(config.initializerRange);
    const tokens = (config.imageSize / patch) ** 2 + 1;
    this.cls_token = init.parameter([1, 1, width], weightInit);
    this.pos_embed = init.parameter([1, tokens, width], weightInit);
    this.patch_embed = { proj: new nn.PatchEmbed(init, 3, width, patch) };
    this.blocks = Array.from(
      { length: depth },
      (_, i) => new VisionBlock(init, config, depth > 1 ? (config.dropPath * i) / (depth - 1) : 0),
    );
    this.norm = new nn.LayerNorm(init, width, { eps: config.visionEps });
  }

  /** image [B, 3, S, S] to [B, 1 + (S/patch)², width]. */
  forward(image: Tensor): Tensor {
    const patches = this.patch_embed.proj.forward(image);
    const [B, , C] = patches.shape;
    let x = add(concat([expand(this.cls_token, [B, 1, C]), patches], 1), this.pos_embed);
    const kept = this.blocks.length - this.checkpointBlocks;
    this.blocks.forEach((block, i) => {
      // A scope per block frees what neither the next block nor the tape needs.
      x = scope(() => (i < kept ? block.forward(x) : checkpoint((t) => block.forward(t), x)));
    });
    return this.norm.forward(x);
  }
}
