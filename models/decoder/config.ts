/** Sizes of a decoder-only language model. */
export interface DecoderConfig {
  /** Rows of the word embedding and of the head. */
  readonly vocabulary: number;
  /** Width of the residual stream. */
  readonly width: number;
  /** Inner width of the feed-forwards. */
  readonly hidden: number;
  /** Blocks. */
  readonly layers: number;
  /** Query heads; they divide the width. */
  readonly heads: number;
  /** Key and value heads; each serves heads / keyValueHeads query heads. */
  readonly keyValueHeads: number;
  /** Leading elements of each head that the rotary embedding turns; even. */
  readonly rotaryWidth: number;
  /** Base of its frequencies. */
  readonly rotaryTheta: number;
  /** Of the layer norms. */
  readonly eps: number;
  /** Longest sequence, image rows included. */
  readonly positions: number;
  /** Whether the projections to queries, keys and values have biases. */
  readonly qkvBias: boolean;
  /** Standard deviation of initial weights. */
  readonly initializerRange: number;
  /** Probabilities in training. */
  readonly dropout: {
    /** Of embeddings. */
    readonly embedding: number;
    /** Of what a layer adds. */
    readonly residual: number;
    /** Of attention's weights. */
    readonly attention: number;
  };
}

/** What an MLP of a decoder is made by. */
export type MlpSizes = Pick<DecoderConfig, "width" | "hidden" | "initializerRange">;

/** Everything about these sizes that does not fit together, in the words of config.json. */
export function decoderMisfits(c: DecoderConfig): string[] {
  const wrong: string[] = [];
  if (c.width % c.heads !== 0) wrong.push(`hidden_size ${c.width} is not a multiple of num_attention_heads ${c.heads}`);
  if (c.heads % c.keyValueHeads !== 0)
    wrong.push(`num_attention_heads ${c.heads} is not a multiple of num_key_value_heads ${c.keyValueHeads}`);
  if (c.rotaryWidth % 2 !== 0 || c.rotaryWidth > c.width / c.heads)
    wrong.push(
      `the rotary embedding would turn ${c.rotaryWidth} of the ${c.width / c.heads} elements of a head, not an even number of them`,
    );
  return wrong;
}
