import { OptionError } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { AdapterLayer } from "./adapter-layer.js";

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

/** Low-rank branches beside frozen weights, A and B of each under the name of its adapter. */
export abstract class LowRank<Matrices> extends AdapterLayer {
  /** The inner matrices, by adapter. */
  lora_A: Record<string, Matrices> = {};
  /** The outer matrices, by adapter. */
  lora_B: Record<string, Matrices> = {};
  readonly #settings = new Map<string, Readonly<Required<LoraOptions>>>();

  override get adapters(): readonly string[] {
    return [...this.#settings.keys()];
  }

  /** What an adapter was made with. */
  settings(name: string): Readonly<Required<LoraOptions>> {
    this.check(name);
    return this.#settings.get(name) as Required<LoraOptions>;
  }

  /** alpha / r of an adapter. */
  scaleOf(name: string): number {
    const { r, alpha } = this.settings(name);
    return alpha / r;
  }

  override adapterParameters(name: string): readonly Tensor[] {
    this.check(name);
    return [this.lora_A[name], this.lora_B[name]].flatMap((matrices) => Object.values(matrices as object));
  }

  override remove(name: string): void {
    this.checkRemoved(name);
    for (const p of this.adapterParameters(name)) p.dispose();
    delete this.lora_A[name];
    delete this.lora_B[name];
    this.#settings.delete(name);
  }

  /** Takes in the matrices of a new adapter, which is in use from now on. */
  protected put(name: string, A: Matrices, B: Matrices, { r, alpha, dropout = 0 }: LoraOptions): void {
    this.lora_A[name] = A;
    this.lora_B[name] = B;
    this.#settings.set(name, { r, alpha, dropout });
    this.use(name);
  }
}
