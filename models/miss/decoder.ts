import { linear, nn, type Tensor } from "../../engine/index.js";
import type { TakesPrefix } from "../peft/prefix.js";
import type { PrefixSizes, PromptEncoders } from "../peft/prompt-encoder.js";
import { Bert, type BertContext } from "./bert.js";
import type { MissConfig } from "./config.js";

class HeadTransform extends nn.Module {
  dense: nn.LinearLayer;
  LayerNorm: nn.LayerNorm;

  constructor(init: nn.Initializer, c: MissConfig) {
    super();
    this.dense = new nn.Linear(init, c.hidden, c.hidden, {
      weightInit: nn.normal(c.initializerRange),
      biasInit: nn.constant(0),
    });
    this.LayerNorm = new nn.LayerNorm(init, c.hidden, { eps: c.textEps });
  }

  forward(x: Tensor): Tensor {
    return this.LayerNorm.forward(this.dense.forward(x, "gelu"));
  }
}

class HeadPredictions extends nn.Module {
  bias: Tensor;
  transform: HeadTransform;

  constructor(init: nn.Initializer, c: MissConfig) {
    super();
    this.bias = init.parameter([c.vocab], nn.constant(0));
    this.transform = new HeadTransform(init, c);
  }
}

/** BERT run causally, with BERT's language-model head, whose output matrix is the word embedding (one tensor). */
export class TextDecoder extends nn.Module implements TakesPrefix {
  bert: Bert;
  cls: { predictions: HeadPredictions };
  declare prompt_encoder?: PromptEncoders;

  /** `crossWidth` is that of the states it writes from: of the JTM, or of the image in pre-training. */
  constructor(init: nn.Initializer, c: MissConfig, crossWidth: number = c.hidden) {
    super();
    this.bert = new Bert(init, c, crossWidth);
    this.cls = { predictions: new HeadPredictions(init, c) };
  }

  /** Of the trunk: the names of a prefix are those of the decoder, as PEFT wraps it. */
  get prefixSizes(): PrefixSizes {
    return this.bert.prefixSizes;
  }

  /** States before the head, [B, L, hidden]. */
  states(ids: Tensor, context: Omit<BertContext, "causal" | "prefix">): Tensor {
    return this.bert.forward(ids, { ...context, causal: true, prefix: this.prompt_encoder?.prefix() ?? null });
  }

  /** Logits over the vocabulary, [..., V], of states [..., hidden]. */
  logits(states: Tensor): Tensor {
    const { predictions } = this.cls;
    const transformed = predictions.transform.forward(states);
    return linear(transformed, this.bert.embeddings.word_embeddings.weight, predictions.bias);
  }
}
