import {
  add,
  attention,
  type Device,
  linear,
  mul,
  nn,
  reshape,
  rotary,
  silu,
  type Tensor,
  writeRows,
  zeros,
} from "consilium";

/** Sizes of a Llama. */
export interface LlamaConfig {
  /** Width of the residual stream. */
  readonly width: number;
  /** Width inside the feed-forward. */
  readonly hidden: number;
  readonly layers: number;
  /** Query heads; `width` is divided among them. */
  readonly heads: number;
  /** Key/value heads: each serves heads / keyValueHeads query heads. */
  readonly keyValueHeads: number;
  readonly vocabulary: number;
  /** Longest sequence. */
  readonly positions: number;
}

/** Keys and values of the tokens so far, one pair of tensors [1, positions, G, D] per layer, allocated once. */
export class KeyValueCache {
  readonly keys: readonly Tensor[];
  readonly values: readonly Tensor[];

  constructor(config: LlamaConfig, device: Device) {
    const shape = [1, config.positions, config.keyValueHeads, config.width / config.heads];
    this.keys = Array.from({ length: config.layers }, () => zeros(shape, { device }));
    this.values = Array.from({ length: config.layers }, () => zeros(shape, { device }));
  }

  [Symbol.dispose](): void {
    for (const t of [...this.keys, ...this.values]) t.dispose();
  }
}

class Attention extends nn.Module {
  wq: nn.Linear;
  wk: nn.Linear;
  wv: nn.Linear;
  wo: nn.Linear;
  readonly headWidth: number;

  constructor(init: nn.Initializer, c: LlamaConfig) {
    super();
    this.headWidth = c.width / c.heads;
    const shared = c.keyValueHeads * this.headWidth;
    this.wq = new nn.Linear(init, c.width, c.width, { bias: false });
    this.wk = new nn.Linear(init, c.width, shared, { bias: false });
    this.wv = new nn.Linear(init, c.width, shared, { bias: false });
    this.wo = new nn.Linear(init, c.width, c.width, { bias: false });
  }

  forward(x: Tensor, keys: Tensor, values: Tensor, position: number): Tensor {
    const [B, L] = x.shape;
    const heads = (t: Tensor) => reshape(t, [B, L, -1, this.headWidth]);
    const turn = { start: position, interleaved: true };
    writeRows(keys, rotary(heads(this.wk.forward(x)), turn), { dim: 1, position });
    writeRows(values, heads(this.wv.forward(x)), { dim: 1, position });
    const q = rotary(heads(this.wq.forward(x)), turn);
    return this.wo.forward(reshape(attention(q, keys, values, { causal: true, keys: position + L }), x.shape));
  }
}

/** w2(silu(w1 x) · w3 x). Shazeer: GLU Variants Improve Transformer, arXiv 2002.05202. */
class FeedForward extends nn.Module {
  w1: nn.Linear;
  w2: nn.Linear;
  w3: nn.Linear;

  constructor(init: nn.Initializer, c: LlamaConfig) {
    super();
    this.w1 = new nn.Linear(init, c.width, c.hidden, { bias: false });
    this.w2 = new nn.Linear(init, c.hidden, c.width, { bias: false });
    this.w3 = new nn.Linear(init, c.width, c.hidden, { bias: false });
  }

  forward(x: Tensor): Tensor {
    return this.w2.forward(mul(silu(this.w1.forward(x)), this.w3.forward(x)));
  }
}

class Layer extends nn.Module {
  attention_norm: nn.RMSNorm;
  attention: Attention;
  ffn_norm: nn.RMSNorm;
  feed_forward: FeedForward;

  constructor(init: nn.Initializer, c: LlamaConfig) {
    super();
    this.attention_norm = new nn.RMSNorm(init, c.width);
    this.attention = new Attention(init, c);
    this.ffn_norm = new nn.RMSNorm(init, c.width);
    this.feed_forward = new FeedForward(init, c);
  }

  forward(x: Tensor, keys: Tensor, values: Tensor, position: number): Tensor {
    const y = add(x, this.attention.forward(this.attention_norm.forward(x), keys, values, position));
    return add(y, this.feed_forward.forward(this.ffn_norm.forward(y)));
  }
}

/** A Llama whose output layer is its embedding, transposed. Property names are those of llama2.c's model.py. */
export class Llama extends nn.Module {
  tok_embeddings: nn.Embedding;
  layers: Layer[];
  norm: nn.RMSNorm;
  readonly config: LlamaConfig;

  constructor(init: nn.Initializer, config: LlamaConfig) {
    super();
    this.config = config;
    this.tok_embeddings = new nn.Embedding(init, config.vocabulary, config.width);
    this.layers = Array.from({ length: config.layers }, () => new Layer(init, config));
    this.norm = new nn.RMSNorm(init, config.width);
  }

  /** ids i32 [1, L], the first one at `position`, to logits [1, L, vocabulary]. Writes their rows of the cache. */
  forward(ids: Tensor, cache: KeyValueCache, position: number): Tensor {
    let x = this.tok_embeddings.forward(ids);
    this.layers.forEach((layer, i) => {
      x = layer.forward(x, cache.keys[i], cache.values[i], position);
    });
    return linear(this.norm.forward(x), this.tok_embeddings.weight);
  }
}
