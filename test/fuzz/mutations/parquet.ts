/** Parquet: pages, or the metadata at the end with its length kept. */
import { concat } from "../../io/support/collect.js";
import type { Random } from "../random.js";
import { damaged, spoilt } from "./bytes.js";

const MAGIC = [0x50, 0x41, 0x52, 0x31];
const lengthOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 8, true);

export function mutateParquet(bytes: Uint8Array, random: Random): Uint8Array {
  const metadata = bytes.length - 8 - lengthOf(bytes);
  if (random.chance(0.3)) return spoilt(bytes, random, 4, metadata);
  if (random.chance(0.3)) {
    // The first page's header is at the beginning: numbers in it that are as large as they get.
    const at = 4 + random.below(40);
    const huge = random.pick([
      [0xfe, 0xff, 0xff, 0xff, 0x0f],
      [0xfe, 0xff, 0xff, 0x3f],
      [0xff, 0xff, 0x7f],
      [0x80, 0x80, 0x80, 0x08],
    ]);
    const out = new Uint8Array(bytes);
    out.set(huge, at);
    return out;
  }
  const footer = random.chance(0.7)
    ? spoilt(bytes.slice(metadata, -8), random)
    : damaged(bytes.slice(metadata, -8), random);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, footer.length, true);
  return concat([bytes.slice(0, metadata), footer, length, MAGIC]);
}

/** Its letters at both ends, and metadata that the file is long enough for. */
export const hasParquetFrame = (bytes: Uint8Array): boolean =>
  bytes.length > 12 &&
  MAGIC.every((byte, i) => bytes[i] === byte && bytes[bytes.length - 4 + i] === byte) &&
  lengthOf(bytes) <= bytes.length - 12;
