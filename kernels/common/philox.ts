import type { NumberArray } from "../contract.js";

/** Low and high word of a 32 x 32 bit product, in 16-bit halves: BigInt would be a hundred times slower. */
let high = 0;
function multiply(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const low = al * bl;
  const middle = ah * bl + (low >>> 16);
  const carry = al * bh + (middle % 65536);
  high = (ah * bh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
  return Math.imul(a, b) >>> 0;
}

/** One block of Philox 4x32-10 (Salmon et al., SC 2011): four words from a counter and a key, into `out`. */
export function philoxBlock(
  k0: number,
  k1: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  out: Uint32Array,
): void {
  for (let round = 0; round < 10; round++) {
    const low0 = multiply(0xd2511f53, c0);
    const high0 = high;
    const low1 = multiply(0xcd9e8d57, c2);
    const high1 = high;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

const block = new Uint32Array(4);

/**
 * Word `position` (modulo 2^32) of the stream of an op: key = random[0..1], counter = (position / 4, 0,
 * sequence + random[2], 0).
 */
export function philox(random: NumberArray, sequence: number, position: number): number {
  const p = position >>> 0;
  philoxBlock(random[0] >>> 0, random[1] >>> 0, p >>> 2, 0, (sequence + random[2]) >>> 0, 0, block);
  return block[p & 3];
}

/** 24 random bits as a number in [0, 1): the same on every device. */
export const uniform = (word: number): number => (word >>> 8) * 2 ** -24;
