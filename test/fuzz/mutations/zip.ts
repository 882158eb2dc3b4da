/** Zip files whose directory fits, but for the field that is changed on purpose. */
import { unzipSync } from "fflate";
import { type ZipItem, zipFile } from "../../io/support/zip-writer.js";
import type { Random } from "../random.js";
import { spoilt } from "./bytes.js";

/** Other contents of an entry. */
export type Inside = (name: string, bytes: Uint8Array, random: Random) => Uint8Array;

export function mutateZip(bytes: Uint8Array, random: Random, inside: Inside): Uint8Array {
  const entries = Object.entries(unzipSync(bytes));
  const deflate = random.chance(0.4);
  const items: ZipItem[] = entries.map(([name, content]) => ({ name, bytes: content, deflate }));
  const at = random.below(items.length);
  const { name, bytes: content } = items[at];
  switch (random.below(10)) {
    case 0:
      items.splice(at, 1);
      break;
    case 1:
      items.push({ ...items[at] });
      break;
    case 2:
      items[at] = {
        ...items[at],
        name: random.pick([`${name}x`, "data.pkl", "../../x", "/x", "", "a\\..\\b", "é\0", `${name}/`]),
      };
      break;
    case 3:
      // A little that becomes much.
      items[at] = {
        name,
        bytes: new Uint8Array(random.pick([2 ** 20, 2 ** 24, 80e6])).fill(random.pick([0, 0x5d, 0x7d, 0x20])),
        deflate: true,
      };
      break;
    case 4:
      items[at] = { ...items[at], bytes: content.slice(0, random.below(content.length + 1)) };
      break;
    default:
      items[at] = { ...items[at], bytes: inside(name, content, random) };
  }
  const file = zipFile(items, { zip64: random.chance(0.2), padding: random.below(3) * 13 });
  return random.chance(0.25) ? otherField(file, random) : file;
}

/** Offset and width of what an entry of the central directory says of itself. */
const FIELDS = [
  ...[
    [8, 2],
    [10, 2],
    [16, 4],
    [20, 4],
    [24, 4],
    [28, 2],
    [30, 2],
    [32, 2],
    [42, 4],
  ],
] as const;
const ODD = [0, 1, 8, 9, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

/** One field of one entry in the directory, or of the directory's end, says something else. */
function otherField(file: Uint8Array, random: Random): Uint8Array {
  const out = new Uint8Array(file);
  const view = new DataView(out.buffer);
  const entries: number[] = [];
  for (let at = 0; at + 46 <= out.length; at++) if (view.getUint32(at, true) === 0x02014b50) entries.push(at);
  if (entries.length === 0 || random.chance(0.2)) return spoilt(out, random, Math.max(0, out.length - 22));
  const [offset, width] = random.pick(FIELDS);
  const at = random.pick(entries) + offset;
  const old = width === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
  const value = random.chance(0.5) ? random.pick(ODD) : old + random.pick([1, -1, 16]);
  if (width === 2) view.setUint16(at, value & 0xffff, true);
  else view.setUint32(at, value >>> 0, true);
  return out;
}

/** The directory lies where its end says, and begins with an entry. */
export function hasZipDirectory(bytes: Uint8Array): boolean {
  if (bytes.length < 22 || bytes[0] !== 0x50 || bytes[1] !== 0x4b) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - 22;
  if (view.getUint32(end, true) !== 0x06054b50) return false;
  let offset = view.getUint32(end + 16, true);
  if (offset === 0xffff_ffff && end >= 76) offset = Number(view.getBigUint64(end - 20 - 56 + 48, true));
  return offset + 4 <= bytes.length && view.getUint32(offset, true) === 0x02014b50;
}
