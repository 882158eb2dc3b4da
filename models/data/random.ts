/**
 * Random numbers of the host: Philox 4x32-10 (Salmon et al., SC'11), counter-based, so a stream is a pure function of
 * (seed, purpose, sequence). Same generator as the kernels'; `purpose` in the counter's last word keeps them apart.
 */
export type Words = readonly [number, number, number, number];

/** Ten rounds on four 32-bit words. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(c0, 0xd2511f53);
    const high1 = multiplyHigh(c2, 0xcd9e8d57);
    const low0 = Math.imul(c0, 0xd2511f53);
    const low1 = Math.imul(c2, 0xcd9e8d57);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** Upper 32 bits of the 64-bit product, from 16-bit halves; every partial sum fits 32 bits. */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + (middle >>> 16) + (carry >>> 16);
}

export const PURPOSE = { shuffle: 1, split: 2, bootstrap: 3, prompt: 4 } as const;

/** A sequence of integers for one purpose: `sequence` is an epoch or another number that tells streams apart. */
export class RandomStream {
  readonly #key: readonly [number, number];
  readonly #purpose: number;
  readonly #sequence: number;
  #block = 0;
  #words: Words = [0, 0, 0, 0];
  #used = 4;

  constructor(seed: number, purpose: keyof typeof PURPOSE, sequence = 0) {
    this.#key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
    this.#purpose = PURPOSE[purpose];
    this.#sequence = sequence >>> 0;
  }

  /** Uniform in [0, 2^32). */
  next(): number {
    if (this.#used === 4) {
      this.#words = philox([this.#block++, 0, this.#sequence, this.#purpose], this.#key);
      this.#used = 0;
    }
    return this.#words[this.#used++];
  }

  /** Uniform in [0, n), without the bias of a plain remainder; n up to 2^32. */
  below(n: number): number {
    const limit = 2 ** 32 - (2 ** 32 % n);
    let word = this.next();
    while (word >= limit) word = this.next();
    return word % n;
  }
}
