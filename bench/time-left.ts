/** Seconds that a row takes at least, whatever its call takes: one piece. */
const PIECE = 0.02;

/**
 * How long the rows that remain will take, without the ceilings after them. A row has its share of the budget, and what it takes beyond that (inputs, checks, the
 * rounds that it has at least, details) is learnt from the rows before: in proportion to `least`, the seconds that a call of each row
 * takes at least.
 */
export class TimeLeft {
  readonly #least: readonly number[];
  /** Of the rows that are done. */
  #beyond = 0;
  #weights = 0;
  #done = 0;

  constructor(least: readonly number[]) {
    this.#least = least.map((seconds) => PIECE + seconds);
  }

  /** The next row is done: it had `share` seconds, and took `seconds`. */
  done(share: number, seconds: number): void {
    this.#beyond += seconds - share;
    this.#weights += this.#least[this.#done++];
  }

  /** Seconds until all are done, where `budget` are left to share out. */
  after(budget: number): number {
    const rate = this.#done > 0 ? this.#beyond / this.#weights : 0;
    let left = budget;
    let sum = 0;
    for (let row = this.#done; row < this.#least.length; row++) {
      const share = shareOf(left, this.#least.length - row);
      const seconds = Math.max(0, share + rate * this.#least[row]);
      left -= seconds;
      sum += seconds;
    }
    return sum;
  }
}

/** What a row gets of the seconds that are left, where it is the first of so many. */
export const shareOf = (left: number, rows: number): number => Math.max(0, left) / rows;
