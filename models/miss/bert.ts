import { add, arange, attention, dropout, nn, reshape, scope, type Tensor } from "../../engine/index.js";
import type { MissConfig } from "./config.js";

/** What a text module reads besides its tokens. */
export interface BertContext {
  /** Key padding of the tokens, i32 [B, L]. */
  mask: Tensor | null;
  /** States to attend to, [B, S, width]. */
  cross: Tensor;
  /** Key padding of those states, i32 [B, S]; null where all are visible. */
  crossMask: Tensor | null;
  causal: boolean;
}

class BertEmbeddings extends nn.Module {
  word_embeddings: nn.Embedding;
  position_embeddings: nn.Embedding;
  LayerNorm: nn.LayerNorm;
  readonly dropout: number;

  constructor(init: nn.Initializer, c: MissConfig) {
    super();
    const weightInit = nn.normal(c.initializerRange);
    this.word_embeddings = new nn.Embedding(init, c.vocab, c.hidden, { paddingIndex: c.pad, weightInit });
    this.position_embeddings = new nn.Embedding(init, c.maxPositions, c.hidden, { weightInit });
    this.LayerNorm = new nn.LayerNorm(init, c.hidden, { eps: c.textEps });
    this.dropout = c.hiddenDropout;
  }

  forward(ids: Tensor): Tensor {
    const positions = arange(ids.shape[1], { device: ids.device, dtype: "i32" });
    const x = add(this.word_embeddings.forward(ids), this.position_embeddings.forward(positions));
    return dropout(this.LayerNorm.forward(x), this.training ? this.dropout : 0);
  }
}

class BertSelfAttention extends nn.Module {
  query: nn.Linear | nn.LoraLinear;
  key: nn.Linear;
  value: nn.Linear | nn.LoraLinear;
  readonly heads: number;
  readonly dropout: number;

  constructor(init: nn.Initializer, c: MissConfig, keyWidth: number) {
    super();
    const weightInit = nn.normal(c.initializerRange);
    this.query = new nn.Linear(init, c.hidden, c.hidden, { weightInit, biasInit: nn.constant(0) });
    this.key = new nn.Linear(init, keyWidth, c.hidden, { weightInit, biasInit: nn.constant(0) });
    this.value = new nn.Linear(init, keyWidth, c.hidden, { weightInit, biasInit: nn.constant(0) });
    this.heads = c.heads;
    this.dropout = c.attentionDropout;
  }

  forward(x: Tensor, keys: Tensor, mask: Tensor | null, causal: boolean): Tensor {
    const split = (t: Tensor) => reshape(t, [t.shape[0], t.shape[1], this.heads, t.shape[2] / this.heads]);
    const y = attention(split(this.query.forward(x)), split(this.key.forward(keys)), split(this.value.forward(keys)), {
      mask,
      causal,
      dropout: this.training ? this.dropout : 0,
    });
    return reshape(y, x.shape);
  }
}

/** dense → dropout → add the residual → LayerNorm: the end of each sub-layer. */
class BertOutput extends nn.Module {
  dense: nn.Linear;
  LayerNorm: nn.LayerNorm;
  readonly dropout: number;

  constructor(init: nn.Initializer, c: MissConfig, width: number) {
    super();
    const weightInit = nn.normal(c.initializerRange);
    this.dense = new nn.Linear(init, width, c.hidden, { weightInit, biasInit: nn.constant(0) });
    this.LayerNorm = new nn.LayerNorm(init, c.hidden, { eps: c.textEps });
    this.dropout = c.hiddenDropout;
  }

  forward(x: Tensor, residual: Tensor): Tensor {
    const y = dropout(this.dense.forward(x), this.training ? this.dropout : 0);
    return this.LayerNorm.forward(add(y, residual));
  }
}

class BertAttention extends nn.Module {
  self: BertSelfAttention;
  output: BertOutput;

  constructor(init: nn.Initializer, c: MissConfig, keyWidth: number) {
    super();
    this.self = new BertSelfAttention(init, c, keyWidth);
    this.output = new BertOutput(init, c, c.hidden);
  }

  forward(x: Tensor, keys: Tensor, mask: Tensor | null, causal: boolean): Tensor {
    return this.output.forward(this.self.forward(x, keys, mask, causal), x);
  }
}

/** Post-norm layer: self-attention, cross-attention, feed-forward. */
class BertLayer extends nn.Module {
  attention: BertAttention;
  crossattention: BertAttention;
  intermediate: { dense: nn.Linear };
  output: BertOutput;

  constructor(init: nn.Initializer, c: MissConfig, crossWidth: number) {
    super();
    const weightInit = nn.normal(c.initializerRange);
    this.attention = new BertAttention(init, c, c.hidden);
    this.crossattention = new BertAttention(init, c, crossWidth);
    this.intermediate = {
      dense: new nn.Linear(init, c.hidden, c.intermediate, { weightInit, biasInit: nn.constant(0) }),
    };
    this.output = new BertOutput(init, c, c.intermediate);
  }

  forward(x: Tensor, { mask, cross, crossMask, causal }: BertContext): Tensor {
    const own = this.attention.forward(x, x, mask, causal);
    const both = this.crossattention.forward(own, cross, crossMask, false);
    return this.output.forward(this.intermediate.dense.forward(both, "gelu"), both);
  }
}

/**
 * BERT with cross-attention in every layer, no token types, no pooler: the joint text-multimodal module (JTM), and the
 * decoder's trunk when `causal`.
 */
export class Bert extends nn.Module {
  embeddings: BertEmbeddings;
  encoder: { layer: BertLayer[] };

  constructor(init: nn.Initializer, c: MissConfig, crossWidth: number) {
    super();
    this.embeddings = new BertEmbeddings(init, c);
    this.encoder = { layer: Array.from({ length: c.layers }, () => new BertLayer(init, c, crossWidth)) };
  }

  /** ids i32 [B, L] to states [B, L, hidden]. */
  forward(ids: Tensor, context: BertContext): Tensor {
    let x = this.embeddings.forward(ids);
    // A scope per layer frees what neither the next layer nor the tape needs.
    for (const layer of this.encoder.layer) x = scope(() => layer.forward(x, context));
    return x;
  }
}
