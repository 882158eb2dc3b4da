import { nn, noGrad, OptionError, permute, reshape, scope, slice, type Tensor } from "../../engine/index.js";

/** Sizes of the keys and values that stand in front of a model's own. */
export interface PrefixSizes {
  /** Layers with self-attention. */
  readonly layers: number;
  /** Heads of keys and values. */
  readonly heads: number;
  /** Width of all heads together. */
  readonly width: number;
}

/** Keys and values in front of those of one layer. */
export interface LayerPrefix {
  /** [tokens, heads, width / heads] */
  readonly keys: Tensor;
  /** [tokens, heads, width / heads] */
  readonly values: Tensor;
}

/** What stands in front of a model's keys and values. */
export interface Prefix {
  /** Virtual tokens: positions of real ones begin behind them. */
  readonly tokens: number;
  /** For each layer. */
  readonly layers: readonly LayerPrefix[];
}

/** How a prefix is made. */
export interface PrefixOptions {
  /** Virtual tokens. */
  tokens: number;
  /**
   * Whether it is learned through a small network (Prefix tuning; Li and Liang, arXiv 2101.00190), or as a table by itself (P-Tuning v2; Liu
   * et al., arXiv 2110.07602).
   */
  projection: boolean;
}

/**
 * What a prefix is learned as: embedding [tokens, width] → Linear(width, width) → tanh → Linear(width, 2 layers width) where it is projected,
 * else a table [tokens, 2 layers width]. Initial values and names are PEFT's.
 */
export class PromptEncoder extends nn.Module {
  /** What is looked up: [tokens, width], or the table itself. */
  embedding: {
    /** A row for each virtual token. */
    weight: Tensor;
  };
  /** From there to the table; absent where that is learned by itself. */
  transform?: nn.Sequential;
  /** Of the keys and values that it makes. */
  readonly sizes: PrefixSizes;

  constructor(init: nn.Initializer, sizes: PrefixSizes, { tokens, projection }: PrefixOptions) {
    super();
    if (!(Number.isInteger(tokens) && tokens > 0))
      throw new OptionError(`Prefix: ${tokens} virtual tokens; a whole number above 0 is needed.`);
    const { layers, width } = sizes;
    this.sizes = sizes;
    this.embedding = { weight: init.parameter([tokens, projection ? width : 2 * layers * width], nn.normal(1)) };
    if (projection)
      this.transform = new nn.Sequential(
        new nn.Linear(init, width, width),
        new nn.Tanh(),
        new nn.Linear(init, width, 2 * layers * width),
      );
  }

  /** Virtual tokens. */
  get tokens(): number {
    return this.embedding.weight.shape[0];
  }

  /** The table [tokens, 2 layers width]: what is left of it when it is saved. */
  table(): Tensor {
    const { embedding, transform } = this;
    return transform ? transform.forward(embedding.weight) : embedding.weight;
  }

  /** Keys and values: of column block 2 l, and 2 l + 1, for layer l. */
  prefix(): Prefix {
    const { layers, heads, width } = this.sizes;
    const { tokens } = this;
    const blocks = permute(reshape(this.table(), [tokens, 2 * layers, heads, width / heads]), [1, 0, 2, 3]);
    const block = (start: number) =>
      reshape(slice(blocks, { dim: 0, start, length: 1 }), [tokens, heads, width / heads]);
    return {
      tokens,
      layers: Array.from({ length: layers }, (_, l) => ({ keys: block(2 * l), values: block(2 * l + 1) })),
    };
  }
}

/** The prompt encoders of a model, each under its name: `prompt_encoder.default.embedding.weight`, as in PEFT. */
export class PromptEncoders extends nn.Module {
  #active: string | null = null;

  /** Names, in the order they were added. */
  get names(): readonly string[] {
    return Object.entries(this).flatMap(([name, child]) => (child instanceof PromptEncoder ? [name] : []));
  }

  /** The one in use; null where there is none. */
  get active(): string | null {
    return this.#active;
  }

  /** Throws OptionError where there is none of that name. */
  get(name: string): PromptEncoder {
    const found = (this as unknown as Record<string, unknown>)[name];
    if (found instanceof PromptEncoder) return found;
    throw new OptionError(`Prefix: there is none called "${name}" here. There are: ${this.names.join(", ")}.`);
  }

  /** Takes one in, which is in use from now on. Throws OptionError for a name that is taken. */
  add(name: string, encoder: PromptEncoder): void {
    if (!/^[\w-]+$/.test(name) || name in this)
      throw new OptionError(`Prefix: "${name}" is taken, or no name: use letters, digits, - and _.`);
    Object.assign(this, { [name]: encoder });
    this.#active = name;
  }

  /** Uses another one, or none. Throws OptionError where there is none of that name. */
  use(name: string | null): void {
    if (name !== null) this.get(name);
    this.#active = name;
  }

  /** Virtual tokens of the one in use; 0 where none is. */
  get tokens(): number {
    return this.#active === null ? 0 : this.get(this.#active).tokens;
  }

  /** What the one in use puts in front; null where none is. */
  prefix(): Prefix | null {
    return this.#active === null ? null : this.get(this.#active).prefix();
  }
}

/** The table of a prompt encoder as numbers. */
export const tableValues = (encoder: PromptEncoder): Promise<Float32Array | Int32Array | Uint32Array> => {
  const table = noGrad(() => scope(() => encoder.table()));
  return table.data().finally(() => {
    if (encoder.transform) table.dispose();
  });
};
