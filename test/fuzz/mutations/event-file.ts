/** Event files by their records, with the checksums right. */
import { maskedCrc32c } from "../../../models/training/log/crc32c.js";
import { tfRecord } from "../../../models/training/log/event-file.js";
import { concat } from "../../io/support/collect.js";
import type { Random } from "../random.js";
import { damaged } from "./bytes.js";

function recordsOf(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const list: Uint8Array[] = [];
  for (let at = 0; at + 16 <= bytes.length; ) {
    const length = Number(view.getBigUint64(at, true));
    list.push(bytes.slice(at + 12, at + 12 + length));
    at += 16 + length;
  }
  return list;
}

export function mutateEventFile(bytes: Uint8Array, random: Random): Uint8Array {
  const list = recordsOf(bytes);
  const at = random.below(list.length);
  if (random.chance(0.7)) list[at] = damaged(list[at], random);
  else if (random.chance(0.5)) list.splice(at, 0, random.pick(list));
  else list.splice(at, 1);
  return concat(list.map(tfRecord));
}

/** The first record is whole. */
export function hasFirstRecord(bytes: Uint8Array): boolean {
  if (bytes.length < 16) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  return (
    16 + length <= bytes.length &&
    view.getUint32(8, true) === maskedCrc32c(bytes.subarray(0, 8)) &&
    view.getUint32(12 + length, true) === maskedCrc32c(bytes.subarray(12, 12 + length))
  );
}
