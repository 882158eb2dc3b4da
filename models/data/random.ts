import { HostRandom } from "../../engine/index.js";

/** Stream numbers of the data code, above those that initial weights take. */
const PURPOSE = {
  ...{ shuffle: 1, split: 2, bootstrap: 3, control: 4, images: 5, permutation: 6 },
  ...{ pool: 7, text: 8, pixels: 9, options: 10, captions: 16 },
} as const;

/** A random stream for one purpose; `sequence` (an epoch) tells streams of one purpose apart, below 2^24. */
export function randomStream(seed: number, purpose: keyof typeof PURPOSE, sequence = 0): HostRandom {
  return new HostRandom(seed, PURPOSE[purpose] * 2 ** 24 + sequence);
}

/** A stream for one row in one epoch: what it gives depends on nothing else, so rows can be prepared in any order, anywhere. */
export function rowStream(seed: number, purpose: keyof typeof PURPOSE, epoch: number, row: number): HostRandom {
  const ofEpoch = randomStream(seed, purpose, epoch);
  return new HostRandom((ofEpoch.word() & 0x1f_ffff) * 2 ** 32 + ofEpoch.word(), row);
}
