import { checkpoint, dropout, nn, scope, type Tensor } from "../../engine/index.js";
import type { DecoderContext } from "./attention.js";
import type { DecoderConfig } from "./config.js";
import type { FeedForward } from "./feed-forward.js";
import type { KeyValueCache } from "./key-value-cache.js";

/** One block of a decoder; layer i of the model writes pair i of the cache. */
export interface DecoderLayer extends nn.Module {
  mlp: FeedForward;
  forward(x: Tensor, i: number, context: DecoderContext): { y: Tensor; mixture: nn.MoeOutput | null };
}

/** What `Decoder.forward` takes besides embeddings. */
export interface DecoderOptions {
  /** As in `DecoderContext`. */
  readonly mask?: Tensor | null;
  /** As in `DecoderContext`. */
  readonly positions?: Tensor | null;
  /** Keys and values of earlier tokens; those of these tokens are added. Only under `noGrad`. */
  readonly cache?: KeyValueCache | null;
  /** Whether the states between the layers come back, too. Default false. */
  readonly hidden?: boolean;
}

/** What a decoder computes. */
export interface DecoderOutput {
  /** After the final norm: [B, L, width]. */
  readonly states: Tensor;
  /** The embeddings and what each layer gave, before the final norm; empty unless asked for. */
  readonly hidden: Tensor[];
  /** What the mixtures of experts said, by layer; null where a layer has none. */
  readonly mixtures: (nn.MoeOutput | null)[];
}

/** Embeddings to states: the part of a language model that its families share. */
export abstract class Decoder extends nn.Module {
  /** Rows of the vocabulary. */
  embed_tokens: nn.Embedding;
  /** From the first to the last. */
  abstract layers: DecoderLayer[];
  /** Sizes. */
  readonly config: DecoderConfig;
  /** In training, each layer is computed again in the backward pass: the same bits in less memory. */
  checkpointLayers = false;

  constructor(init: nn.Initializer, config: DecoderConfig) {
    super();
    const weightInit = nn.normal(config.initializerRange);
    this.embed_tokens = new nn.Embedding(init, config.vocabulary, config.width, { weightInit });
    this.config = config;
  }

  /** The norm behind the last layer: each family has its own name for it. */
  abstract finalNorm(): nn.LayerNorm;

  /** A dense feed-forward of the family, as a layer without a mixture has it. */
  abstract denseMlp(init: nn.Initializer): nn.Module & {
    /** Rows to rows. */
    forward(x: Tensor): Tensor;
  };

  /** Embeddings [B, L, width], image rows among them, to states. */
  forward(embeds: Tensor, options: DecoderOptions = {}): DecoderOutput {
    const { mask = null, positions = null, cache = null } = options;
    const [B, L] = embeds.shape;
    cache?.check(B, L);
    const context = { mask, positions, cache };
    const hidden: Tensor[] = [];
    let x = dropout(embeds, this.training ? this.config.dropout.embedding : 0);
    const mixtures = this.layers.map((layer, i) => {
      if (options.hidden) hidden.push(x);
      const computed = (t: Tensor) => layer.forward(t, i, context);
      // A scope per layer frees what neither the next layer nor the tape needs.
      const { y, mixture } = this.checkpointLayers ? checkpoint(computed, x) : scope(() => computed(x));
      x = y;
      return mixture;
    });
    if (options.hidden) hidden.push(x);
    cache?.advance(L);
    return { states: this.finalNorm().forward(x), hidden, mixtures };
  }
}
