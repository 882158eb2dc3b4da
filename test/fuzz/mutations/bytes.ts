import fc from "fast-check";
import { damages, mutate } from "../../io/support/mutate.js";
import type { Random } from "../random.js";

/** Damage that knows nothing of the file: bits flipped, parts cut out, put in, repeated, written over by huge numbers. */
export function damaged(bytes: Uint8Array, random: Random): Uint8Array {
  const [list] = fc.sample(damages, { seed: random.below(2 ** 31), numRuns: 1 });
  return mutate(bytes, list);
}

/** A few bytes changed in [from, to), the length kept. */
export function spoilt(bytes: Uint8Array, random: Random, from = 0, to = bytes.length): Uint8Array {
  const out = new Uint8Array(bytes);
  if (to <= from) return out;
  for (let edits = 1 + random.below(4); edits > 0; edits--)
    out[from + random.below(to - from)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
  return out;
}

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
export const utf8 = (value: string): Uint8Array => new TextEncoder().encode(value);
