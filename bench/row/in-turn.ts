/**
 * Sets of the same inputs, which calls take one after the other, from the first again behind the last: together they are larger
 * than the caches (copies.ts).
 */
export class InTurn<T> {
  readonly #sets: T[];
  #next = 0;

  constructor(first: T, ...others: readonly T[]) {
    this.#sets = [first, ...others];
  }

  /** Results are compared of it. */
  get first(): T {
    return this.#sets[0];
  }

  get all(): readonly T[] {
    return this.#sets;
  }

  add(set: T): void {
    this.#sets.push(set);
  }

  next(): T {
    const set = this.#sets[this.#next];
    this.#next = (this.#next + 1) % this.#sets.length;
    return set;
  }
}
