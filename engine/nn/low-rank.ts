import { OptionError } from "../errors.js";
import { Module } from "./module.js";

/** Size and scale of an adapter. */
export interface LoraOptions {
  /** Rank of the adapter. */
  r: number;
  /** The branch is scaled by alpha / r. */
  alpha: number;
  /** On the branch's input, in training. Default 0. */
  dropout?: number;
}

/** Before memory is taken for the adapter. */
export function rankOf({ r }: LoraOptions): number {
  if (!(Number.isInteger(r) && r > 0)) throw new OptionError(`LoRA: rank r is ${r}; a whole number above 0 is needed.`);
  return r;
}

/** A low-rank branch beside frozen weights, which can become part of them and leave them again. */
export abstract class LowRank extends Module {
  /** alpha / r. */
  readonly scale: number;
  /** Probability, in training, on the input of the branch. */
  readonly dropout: number;
  #merged = false;

  constructor({ r, alpha, dropout }: LoraOptions) {
    super();
    this.scale = alpha / r;
    this.dropout = dropout ?? 0;
  }

  /** Whether the branch is part of the base weights now. */
  get merged(): boolean {
    return this.#merged;
  }

  /** W += (alpha / r) B A, of each weight; the branch is left out until `unmerge`. */
  merge(): void {
    if (!this.#merged) this.addBranch(1);
    this.#merged = true;
  }

  /** Takes the branch out of the base weights again. */
  unmerge(): void {
    if (this.#merged) this.addBranch(-1);
    this.#merged = false;
  }

  /** W += sign (alpha / r) B A. */
  protected abstract addBranch(sign: 1 | -1): void;
}
