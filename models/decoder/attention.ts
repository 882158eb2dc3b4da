import { attention, nn, reshape, rotary, type Tensor, writeRows } from "../../engine/index.js";
import type { DecoderConfig } from "./config.js";
import type { KeyValueCache } from "./key-value-cache.js";

/** What the layers of a decoder know of the sequence. */
export interface DecoderContext {
  /** i32, 0 hides a key: [B, L], or [B, capacity] with a cache. Null where every key counts. */
  readonly mask: Tensor | null;
  /** i32 [B, L]; null where the tokens of every row follow each other from the cache's length on. */
  readonly positions: Tensor | null;
  /** Filled by the layers; `length` grows when all of them are done. Needs `noGrad`. */
  readonly cache: KeyValueCache | null;
}

/** What the attention of both families shares: projections to heads, and sizes. */
export abstract class CausalSelfAttention extends nn.Module {
  q_proj: nn.Linear;
  k_proj: nn.Linear;
  v_proj: nn.Linear;
  readonly config: DecoderConfig;

  constructor(init: nn.Initializer, config: DecoderConfig) {
    super();
    const { width, heads, keyValueHeads, qkvBias: bias } = config;
    const options = { bias, weightInit: nn.normal(config.initializerRange), biasInit: nn.constant(0) };
    const shared = (width / heads) * keyValueHeads;
    this.q_proj = new nn.Linear(init, width, width, options);
    this.k_proj = new nn.Linear(init, width, shared, options);
    this.v_proj = new nn.Linear(init, width, shared, options);
    this.config = config;
  }

  /** x [B, L, width] to the heads' answers side by side, of the same shape, before the output projection. */
  protected attend(x: Tensor, layer: number, { mask, positions, cache }: DecoderContext): Tensor {
    const { width, heads, rotaryWidth: rotaryDim, rotaryTheta: theta, dropout } = this.config;
    const [B, L] = x.shape;
    const split = (t: Tensor) => reshape(t, [B, L, -1, width / heads]);
    const turn = (t: Tensor) => rotary(t, { rotaryDim, theta, positions, start: cache?.length ?? 0 });
    const q = turn(split(this.q_proj.forward(x)));
    const k = turn(split(this.k_proj.forward(x)));
    const v = split(this.v_proj.forward(x));
    const options = { causal: true, mask, dropout: this.training ? dropout.attention : 0 };
    if (!cache) return reshape(attention(q, k, v, options), x.shape);
    const [keys, values] = [cache.keys[layer], cache.values[layer]];
    writeRows(keys, k, { dim: 1, position: cache.length });
    writeRows(values, v, { dim: 1, position: cache.length });
    return reshape(attention(q, keys, values, { ...options, keys: cache.length + L }), x.shape);
  }
}
