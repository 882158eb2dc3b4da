import type { NumberArray } from "../contract.js";

const multiply = (a: number, b: number) => {
  const product = BigInt(a) * BigInt(b);
  return [Number(product >> 32n), Number(product & 0xffffffffn)] as const;
};

/**
 * Word `position` (modulo 2^32) of the Philox 4x32-10 stream (Salmon et al., SC 2011) of an op: key = random[0..1],
 * counter = (position / 4, 0, sequence + random[2], 0).
 */
export function philox(random: NumberArray, sequence: number, position: number): number {
  let [c0, c1, c2, c3] = [(position >>> 0) >>> 2, 0, (sequence + random[2]) >>> 0, 0];
  let [k0, k1] = [random[0] >>> 0, random[1] >>> 0];
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = multiply(0xd2511f53, c0);
    const [high1, low1] = multiply(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3][(position >>> 0) & 3];
}
