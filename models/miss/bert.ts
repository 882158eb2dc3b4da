import { add, arange, attention, dropout, nn, reshape, scope, type Tensor } from "../../engine/index.js";
import type { TakesPrefix } from "../peft/prefix.js";
import type { LayerPrefix, Prefix, PrefixSizes, PromptEncoders } from "../peft/prompt-encoder.js";
import type { MissConfig } from "./config.js";

/** What a text module reads besides its tokens. */
export interface BertContext {
  /** Key padding of the tokens, i32 [B, L]. */
  mask: Tensor | null;
  /** States to attend to, [B, S, width]; null reads the text alone: cross-attention is skipped in every layer. */
  cross: Tensor | null;
  /** Key padding of those states, i32 [B, S]; null where all are visible. */
  crossMask: Tensor | null;
  causal: boolean;
  /** What stands in front of the keys and values of self-attention; that of the module's own prompt encoder where absent. */
  prefix?: Prefix | null;
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

  /** `start` is the position of the first token. */
  forward(ids: Tensor, start: number): Tensor {
    const positions = arange(ids.shape[1], { device: ids.device, dtype: "i32", start });
    const x = add(this.word_embeddings.forward(ids), this.position_embeddings.forward(positions));
    return dropout(this.LayerNorm.forward(x), this.training ? this.dropout : 0);
  }
}

/** What an attention sees of its keys. */
interface AttentionContext {
  /** Padding of the keys; null where all are visible. */
  readonly mask: Tensor | null;
  readonly causal: boolean;
  /** In front of the keys, visible to all queries. */
  readonly prefix?: LayerPrefix;
}

class BertSelfAttention extends nn.Module {
  query: nn.LinearLayer;
  key: nn.LinearLayer;
  value: nn.LinearLayer;
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

  forward(x: Tensor, keys: Tensor, { mask, causal, prefix }: AttentionContext): Tensor {
    const split = (t: Tensor) => reshape(t, [t.shape[0], t.shape[1], this.heads, t.shape[2] / this.heads]);
    const y = attention(split(this.query.forward(x)), split(this.key.forward(keys)), split(this.value.forward(keys)), {
      mask,
      causal,
      dropout: this.training ? this.dropout : 0,
      prefixKeys: prefix?.keys,
      prefixValues: prefix?.values,
    });
    return reshape(y, x.shape);
  }
}

/** dense → dropout → add the residual → LayerNorm: the end of each sub-layer. */
class BertOutput extends nn.Module {
  dense: nn.LinearLayer;
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

  forward(x: Tensor, keys: Tensor, context: AttentionContext): Tensor {
    return this.output.forward(this.self.forward(x, keys, context), x);
  }
}

/** Post-norm layer: self-attention, cross-attention, feed-forward. */
class BertLayer extends nn.Module {
  attention: BertAttention;
  crossattention: BertAttention;
  intermediate: { dense: nn.LinearLayer };
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

  forward(x: Tensor, { mask, cross, crossMask, causal }: BertContext, prefix?: LayerPrefix): Tensor {
    const own = this.attention.forward(x, x, { mask, causal, prefix });
    const both = cross ? this.crossattention.forward(own, cross, { mask: crossMask, causal: false }) : own;
    return this.output.forward(this.intermediate.dense.forward(both, "gelu"), both);
  }
}

/**
 * BERT with cross-attention in every layer, no token types, no pooler: the joint text-multimodal module (JTM), and the
 * decoder's trunk when `causal`.
 */
export class Bert extends nn.Module implements TakesPrefix {
  embeddings: BertEmbeddings;
  encoder: { layer: BertLayer[] };
  declare prompt_encoder?: PromptEncoders;
  readonly prefixSizes: PrefixSizes;

  constructor(init: nn.Initializer, c: MissConfig, crossWidth: number) {
    super();
    this.embeddings = new BertEmbeddings(init, c);
    this.encoder = { layer: Array.from({ length: c.layers }, () => new BertLayer(init, c, crossWidth)) };
    this.prefixSizes = { layers: c.layers, heads: c.heads, width: c.hidden };
  }

  /** ids i32 [B, L] to states [B, L, hidden]. */
  forward(ids: Tensor, context: BertContext): Tensor {
    const prefix = context.prefix === undefined ? (this.prompt_encoder?.prefix() ?? null) : context.prefix;
    let x = this.embeddings.forward(ids, prefix?.tokens ?? 0);
    // A scope per layer frees what neither the next layer nor the tape needs.
    this.encoder.layer.forEach((layer, l) => {
      x = scope(() => layer.forward(x, context, prefix?.layers[l]));
    });
    return x;
  }
}
