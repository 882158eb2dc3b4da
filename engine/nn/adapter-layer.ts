import { noGrad } from "../autograd/recording.js";
import { OptionError } from "../errors.js";
import { concat } from "../ops/concat.js";
import { writeRows } from "../ops/write-rows.js";
import { keep } from "../scope.js";
import type { Tensor } from "../tensor.js";
import type { AdapterRows } from "./adapter-rows.js";
import { Module } from "./module.js";

/** Name of an adapter where none is given, as in PEFT. */
export const DEFAULT_ADAPTER = "default";

/**
 * A layer with adapters beside frozen weights. It may have several, each under its name; one is in use, or none, or one for each row of the
 * batch. The one in use can become part of the weights and leave them again.
 */
export abstract class AdapterLayer extends Module {
  /** The layer with the frozen weights. */
  abstract base_layer: Module;
  #active: string | null = null;
  #rows: AdapterRows | null = null;
  /** Weights that an adapter was folded into, and copies of what they were. */
  #originals: Map<Tensor, Tensor> | null = null;

  /** Names, in the order they were added. */
  abstract get adapters(): readonly string[];

  /** The parameters of one adapter. */
  abstract adapterParameters(name: string): readonly Tensor[];

  /** Frees an adapter. Throws OptionError where there is none of that name, or it is merged. */
  abstract remove(name: string): void;

  /** Weights of the base that `merge` changes. */
  abstract get foldedWeights(): readonly Tensor[];

  /** Folds an adapter into `foldedWeights`. */
  protected abstract fold(name: string): void;

  /** The adapter in use; null where the base works alone. */
  get active(): string | null {
    return this.#active;
  }

  /** Uses another adapter, or none. Throws OptionError where there is none of that name, or one is merged. */
  use(name: string | null): void {
    if (name !== null) this.check(name);
    if (this.merged) throw new OptionError("adapters: one is merged. Call unmerge() before another is used.");
    this.#active = name;
  }

  /** An adapter for each row of the batch, in place of the one in use; null goes back to that. */
  useRows(rows: AdapterRows | null): void {
    if (rows) for (const name of rows.names) this.check(name);
    if (rows && this.merged)
      throw new OptionError("adapters: one is merged. Call unmerge() before rows have their own.");
    this.#rows = rows;
  }

  /** Which row has which adapter, where they differ. */
  protected get rows(): AdapterRows | null {
    return this.#rows;
  }

  /** Whether an adapter is part of the base's weights now. */
  get merged(): boolean {
    return this.#originals !== null;
  }

  /**
   * Folds the adapter in use into the base's weights; what they were is kept beside them, on the device. Nothing happens where none is in
   * use, or one is merged already.
   */
  merge(): void {
    if (this.merged || this.#active === null) return;
    const originals = new Map(
      noGrad(() => this.foldedWeights.map((weight) => [weight, keep(concat([weight], 0))] as const)),
    );
    try {
      this.fold(this.#active);
    } catch (error) {
      for (const copy of originals.values()) copy.dispose();
      throw error;
    }
    this.#originals = originals;
  }

  /** Puts the weights back that `merge` changed, bit for bit. */
  unmerge(): void {
    for (const [weight, original] of this.#originals ?? []) {
      noGrad(() => writeRows(weight, original, { dim: 0, position: 0 }));
      original.dispose();
    }
    this.#originals = null;
  }

  /** Of a new adapter: the name, which must be free. */
  protected checkNew(name: string): void {
    if (!/^[\w-]+$/.test(name))
      throw new OptionError(
        `adapters: "${name}" is no name for one. Use letters, digits, - and _: it is part of names in files.`,
      );
    if (this.adapters.includes(name)) throw new OptionError(`adapters: there is one called "${name}" already.`);
    if (this.merged) throw new OptionError(`adapters: one is merged. Call unmerge() before "${name}" is added.`);
  }

  /** Throws OptionError where there is no adapter of that name. */
  protected check(name: string): void {
    if (!this.adapters.includes(name))
      throw new OptionError(`adapters: there is none called "${name}" here. There are: ${this.adapters.join(", ")}.`);
  }

  /** Before an adapter goes. */
  protected checkRemoved(name: string): void {
    this.check(name);
    if (this.merged && this.#active === name)
      throw new OptionError(`adapters: "${name}" is merged. Call unmerge() before it is removed.`);
    if (this.#active === name) this.#active = null;
  }

  override dispose(): void {
    for (const original of this.#originals?.values() ?? []) original.dispose();
    this.#originals = null;
    super.dispose();
  }
}
