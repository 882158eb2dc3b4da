import { generator } from "../support/random.js";

/** The choices of one case: the same for the same name and number, on every machine. */
export class Random {
  readonly #draw: ReturnType<typeof generator>;

  constructor(seed: string) {
    this.#draw = generator(seed);
  }

  /** A whole number from 0 on, below `n`. */
  below(n: number): number {
    return this.#draw.integer(0, n);
  }

  chance(probability: number): boolean {
    return this.#draw.uniform() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}
