import {
  type Device,
  type FloatDType,
  noGrad,
  OptionError,
  scope,
  slice,
  type Tensor,
  writeRows,
  zeros,
} from "../../engine/index.js";
import type { DecoderConfig } from "./config.js";

/**
 * Keys and values of the tokens so far: a pair of tensors [batch, capacity, keyValueHeads, headWidth] for each layer,
 * allocated once and owned. `decoder.forward` writes the rows of its tokens behind the `length` that are there.
 */
export class KeyValueCache {
  /** [B, capacity, groups, head width] of each layer. */
  readonly keys: readonly Tensor[];
  /** As the keys. */
  readonly values: readonly Tensor[];
  /** Sequences. */
  readonly batch: number;
  /** Tokens of each that there is room for. */
  readonly capacity: number;
  #length = 0;

  constructor(
    config: DecoderConfig,
    { device, batch, capacity, dtype = "f32" }: { device: Device; batch: number; capacity: number; dtype?: FloatDType },
  ) {
    if (!(Number.isInteger(capacity) && capacity > 0 && capacity <= config.positions))
      throw new OptionError(
        `KeyValueCache: capacity is ${capacity}; the model has ${config.positions} positions, so it must be a whole number from 1 to that.`,
      );
    const shape = [batch, capacity, config.keyValueHeads, config.width / config.heads];
    const layers = Array.from({ length: config.layers }, () => zeros(shape, { device, dtype }));
    this.keys = layers;
    this.values = layers.map(() => zeros(shape, { device, dtype }));
    this.batch = batch;
    this.capacity = capacity;
  }

  /** Tokens of each sequence that are in it, padding included. */
  get length(): number {
    return this.#length;
  }

  /** Forgets the tokens from `length` on: what comes next overwrites them. */
  truncate(length: number): void {
    if (!(Number.isInteger(length) && length >= 0 && length <= this.#length))
      throw new OptionError(`KeyValueCache: ${length} of ${this.#length} tokens cannot be kept.`);
    this.#length = length;
  }

  /** A cache of another capacity with the same tokens; this one is disposed. */
  resized(config: DecoderConfig, capacity: number): KeyValueCache {
    const { batch } = this;
    const { device, dtype } = this.keys[0];
    const other = new KeyValueCache(config, { device, batch, capacity, dtype: dtype as FloatDType });
    const length = this.#length;
    if (length > 0)
      noGrad(() =>
        scope(() => {
          const copy = (to: Tensor, from: Tensor) =>
            writeRows(to, slice(from, { dim: 1, start: 0, length }), { dim: 1, position: 0 });
          for (const [i, keys] of this.keys.entries()) {
            copy(other.keys[i], keys);
            copy(other.values[i], this.values[i]);
          }
        }),
      );
    other.#length = length;
    this.dispose();
    return other;
  }

  /** Throws OptionError where `tokens` more of `batch` sequences do not fit. @internal */
  check(batch: number, tokens: number): void {
    if (batch !== this.batch)
      throw new OptionError(`KeyValueCache: it is for ${this.batch} sequences, ${batch} were given.`);
    if (this.#length + tokens > this.capacity)
      throw new OptionError(
        `KeyValueCache: ${tokens} tokens after ${this.#length} are more than its capacity of ${this.capacity}.`,
      );
  }

  /** `tokens` more are there, in every layer. @internal */
  advance(tokens: number): void {
    this.#length += tokens;
  }

  /** Frees keys and values. */
  dispose(): void {
    for (const t of [...this.keys, ...this.values]) t.dispose();
  }

  /** The same, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
