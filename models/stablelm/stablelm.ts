import { add, mul, nn, silu, type Tensor } from "../../engine/index.js";
import { CausalSelfAttention, type DecoderContext } from "../decoder/attention.js";
import type { DecoderConfig, MlpSizes } from "../decoder/config.js";
import { Decoder, type DecoderLayer } from "../decoder/decoder.js";
import { type FeedForward, feed } from "../decoder/feed-forward.js";

class StablelmAttention extends CausalSelfAttention {
  o_proj: nn.Linear;

  constructor(init: nn.Initializer, config: DecoderConfig) {
    super(init, config);
    const weightInit = nn.normal(config.initializerRange);
    this.o_proj = new nn.Linear(init, config.width, config.width, { bias: false, weightInit });
  }

  forward(x: Tensor, layer: number, context: DecoderContext): Tensor {
    return this.o_proj.forward(this.attend(x, layer, context));
  }
}

/** down(silu(gate(x)) · up(x)), without biases. Shazeer: GLU Variants Improve Transformer, arXiv 2002.05202. */
export class SwiGluMlp extends nn.Module {
  gate_proj: nn.Linear;
  up_proj: nn.Linear;
  down_proj: nn.Linear;

  constructor(init: nn.Initializer, { width, hidden, initializerRange }: MlpSizes) {
    super();
    const options = { bias: false, weightInit: nn.normal(initializerRange) };
    this.gate_proj = new nn.Linear(init, width, hidden, options);
    this.up_proj = new nn.Linear(init, width, hidden, options);
    this.down_proj = new nn.Linear(init, hidden, width, options);
  }

  forward(x: Tensor): Tensor {
    return this.down_proj.forward(mul(silu(this.gate_proj.forward(x)), this.up_proj.forward(x)));
  }
}

/** Sequential pre-norm block: h = x + attn(norm1(x)), then h + mlp(norm2(h)). */
class StablelmLayer extends nn.Module implements DecoderLayer {
  self_attn: StablelmAttention;
  mlp: FeedForward;
  input_layernorm: nn.LayerNorm;
  post_attention_layernorm: nn.LayerNorm;

  constructor(init: nn.Initializer, config: DecoderConfig) {
    super();
    const { width, eps } = config;
    this.self_attn = new StablelmAttention(init, config);
    this.mlp = new SwiGluMlp(init, config);
    this.input_layernorm = new nn.LayerNorm(init, width, { eps });
    this.post_attention_layernorm = new nn.LayerNorm(init, width, { eps });
  }

  forward(x: Tensor, i: number, context: DecoderContext) {
    const h = add(x, this.self_attn.forward(this.input_layernorm.forward(x), i, context));
    const { y, mixture } = feed(this.mlp, this.post_attention_layernorm.forward(h));
    return { y: add(h, y), mixture };
  }
}

/** StableLM-2 without its head. Bellagente et al.: Stable LM 2 1.6B, arXiv 2402.17834. */
export class Stablelm extends Decoder {
  layers: DecoderLayer[];
  norm: nn.LayerNorm;

  constructor(init: nn.Initializer, config: DecoderConfig) {
    super(init, config);
    this.layers = Array.from({ length: config.layers }, () => new StablelmLayer(init, config));
    this.norm = new nn.LayerNorm(init, config.width, { eps: config.eps });
  }

  finalNorm(): nn.LayerNorm {
    return this.norm;
  }

  denseMlp(init: nn.Initializer): SwiGluMlp {
    return new SwiGluMlp(init, this.config);
  }
}
