import fc from "fast-check";
import { concat } from "./collect.js";

/** One damage to a file: where it is (a fraction of the length) and what happens there. */
type Damage =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "cut"; readonly at: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "remove"; readonly at: number; readonly length: number }
  | { readonly kind: "repeat"; readonly at: number; readonly length: number }
  | { readonly kind: "huge"; readonly at: number; readonly value: Uint8Array };

/** Values that a length field would rather not have: 2^31 - 1, 2^31, 2^32 - 1, 2^63, 2^64 - 1, 2^40, 2^53, 0. */
const HUGE = [
  [0xff, 0xff, 0xff, 0x7f],
  [0, 0, 0, 0x80],
  [0xff, 0xff, 0xff, 0xff],
  [0, 0, 0, 0, 0, 0, 0, 0x80],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0, 0, 0, 0, 0, 1, 0, 0],
  [0, 0, 0, 0, 0, 0, 0x20, 0],
  [0, 0, 0, 0],
].map((bytes) => Uint8Array.from(bytes));

/** Half of the damage is near the start or the end, where the formats keep their lengths. */
const place = fc.oneof(
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.double({ min: 0, max: 0.05, noNaN: true }),
  fc.double({ min: 0.85, max: 1, noNaN: true }),
);

const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: place, bit: fc.nat({ max: 7 }) }),
  fc.record({ kind: fc.constant("cut" as const), at: place }),
  fc.record({ kind: fc.constant("insert" as const), at: place, bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }) }),
  fc.record({ kind: fc.constant("remove" as const), at: place, length: fc.integer({ min: 1, max: 64 }) }),
  fc.record({ kind: fc.constant("repeat" as const), at: place, length: fc.integer({ min: 1, max: 64 }) }),
  fc.record({ kind: fc.constant("huge" as const), at: place, value: fc.constantFrom(...HUGE) }),
);

export const damages = fc.array(damage, { minLength: 1, maxLength: 4 });

export function mutate(file: Uint8Array, list: readonly Damage[]): Uint8Array {
  return list.reduce(apply, new Uint8Array(file));
}

function apply(bytes: Uint8Array, d: Damage): Uint8Array {
  const at = Math.min(Math.max(0, bytes.length - 1), Math.floor(d.at * bytes.length));
  switch (d.kind) {
    case "flip":
      if (bytes.length > 0) bytes[at] ^= 1 << d.bit;
      return bytes;
    case "cut":
      return bytes.slice(0, at);
    case "insert":
      return concat([bytes.subarray(0, at), d.bytes, bytes.subarray(at)]);
    case "remove":
      return concat([bytes.subarray(0, at), bytes.subarray(at + d.length)]);
    case "repeat":
      return concat([bytes.subarray(0, at + d.length), bytes.subarray(at)]);
    case "huge":
      return concat([bytes.subarray(0, at), d.value, bytes.subarray(at + d.value.length)]);
    default:
      return d satisfies never;
  }
}
