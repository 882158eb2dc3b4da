import { add, dropout, nn, type Tensor } from "../../engine/index.js";
import { CausalSelfAttention, type DecoderContext } from "../decoder/attention.js";
import type { DecoderConfig, MlpSizes } from "../decoder/config.js";
import { Decoder, type DecoderLayer } from "../decoder/decoder.js";
import { type FeedForward, feed } from "../decoder/feed-forward.js";

class PhiAttention extends CausalSelfAttention {
  dense: nn.Linear;

  constructor(init: nn.Initializer, config: DecoderConfig) {
    super(init, config);
    const options = { weightInit: nn.normal(config.initializerRange), biasInit: nn.constant(0) };
    this.dense = new nn.Linear(init, config.width, config.width, options);
  }

  forward(x: Tensor, layer: number, context: DecoderContext): Tensor {
    return this.dense.forward(this.attend(x, layer, context));
  }
}

/** fc2(gelu(fc1(x))), the tanh form, with biases. */
export class PhiMlp extends nn.Module {
  fc1: nn.Linear;
  fc2: nn.Linear;

  constructor(init: nn.Initializer, { width, hidden, initializerRange }: MlpSizes) {
    super();
    const options = { weightInit: nn.normal(initializerRange), biasInit: nn.constant(0) };
    this.fc1 = new nn.Linear(init, width, hidden, options);
    this.fc2 = new nn.Linear(init, hidden, width, options);
  }

  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x, "geluTanh"));
  }
}

/** Parallel block: u = norm(x), then x + drop(attn(u)) + drop(mlp(u)); a mixture sees the same u as attention. */
class PhiLayer extends nn.Module implements DecoderLayer {
  self_attn: PhiAttention;
  mlp: FeedForward;
  input_layernorm: nn.LayerNorm;
  readonly dropout: number;

  constructor(init: nn.Initializer, config: DecoderConfig) {
    super();
    this.self_attn = new PhiAttention(init, config);
    this.mlp = new PhiMlp(init, config);
    this.input_layernorm = new nn.LayerNorm(init, config.width, { eps: config.eps });
    this.dropout = config.dropout.residual;
  }

  forward(x: Tensor, i: number, context: DecoderContext) {
    const drop = (t: Tensor) => dropout(t, this.training ? this.dropout : 0);
    const u = this.input_layernorm.forward(x);
    const attended = drop(this.self_attn.forward(u, i, context));
    const { y, mixture } = feed(this.mlp, u);
    return { y: add(add(attended, drop(y)), x), mixture };
  }
}

/** Phi-2 without its head. Li et al.: Textbooks Are All You Need II, arXiv 2309.05463. */
export class Phi extends Decoder {
  layers: DecoderLayer[];
  final_layernorm: nn.LayerNorm;

  constructor(init: nn.Initializer, config: DecoderConfig) {
    super(init, config);
    this.layers = Array.from({ length: config.layers }, () => new PhiLayer(init, config));
    this.final_layernorm = new nn.LayerNorm(init, config.width, { eps: config.eps });
  }

  finalNorm(): nn.LayerNorm {
    return this.final_layernorm;
  }

  denseMlp(init: nn.Initializer): PhiMlp {
    return new PhiMlp(init, this.config);
  }
}
