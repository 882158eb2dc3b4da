import { philoxBlock } from "../kernels/common/philox.js";

/**
 * Host side of the random stream: Philox 4x32-10 keyed by a seed and a stream number, for initial weights and the order
 * of data. Position i of a stream is the same on every machine.
 */
export class HostRandom {
  readonly #seed: number;
  readonly #stream: number;
  readonly #block = new Uint32Array(4);
  #position = 0;

  constructor(seed: number, stream = 0) {
    this.#seed = seed;
    this.#stream = stream;
  }

  /** The next 32 bits. */
  word(): number {
    const i = this.#position++;
    if ((i & 3) === 0)
      philoxBlock(
        this.#seed >>> 0,
        Math.floor(this.#seed / 2 ** 32) >>> 0,
        Math.floor(i / 4) >>> 0,
        1,
        this.#stream >>> 0,
        0,
        this.#block,
      );
    return this.#block[i & 3];
  }

  /** Uniform in [0, 1), 24 bits. */
  uniform(): number {
    return (this.word() >>> 8) * 2 ** -24;
  }

  /** Normal with mean 0 and variance 1 (Box-Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Uniform whole number in [0, n). */
  below(n: number): number {
    return Math.floor((this.word() / 2 ** 32) * n);
  }
}
