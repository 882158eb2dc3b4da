/** DICOM by its elements: other values, types of values, lengths, tags and orders. */
import { concat } from "../../io/support/collect.js";
import { u32 } from "../../io/support/pickle-writer.js";
import type { Random } from "../random.js";
import { spoilt, utf8 } from "./bytes.js";

interface Element {
  group: number;
  element: number;
  /** Null where types are not written. */
  vr: string | null;
  /** What it says its length is. */
  length: number;
  data: Uint8Array;
}

const LONG = ["OB", "OW", "OF", "OD", "OL", "SQ", "UC", "UR", "UT", "UN"];
const UNDEFINED = 0xffff_ffff;
const PREAMBLE = 132;

/** Elements of the top level; from a value without a length on, the rest is one value. */
function elementsOf(bytes: Uint8Array): Element[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const list: Element[] = [];
  const isImplicit = new TextDecoder("latin1").decode(bytes.subarray(PREAMBLE, 400)).includes("1.2.840.10008.1.2\0");
  for (let at = PREAMBLE; at + 8 <= bytes.length; ) {
    const [group, element] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    const typed = group === 2 || !isImplicit;
    const vr = typed ? String.fromCharCode(bytes[at + 4], bytes[at + 5]) : null;
    const isLong = vr !== null && LONG.includes(vr);
    const length = vr === null || isLong ? view.getUint32(at + (isLong ? 8 : 4), true) : view.getUint16(at + 6, true);
    const from = at + (isLong ? 12 : 8);
    const end = length === UNDEFINED ? bytes.length : Math.min(from + length, bytes.length);
    list.push({ group, element, vr, length, data: bytes.slice(from, end) });
    at = end;
  }
  return list;
}

const u16 = (n: number) => [n & 255, (n >> 8) & 255];

const written = ({ group, element, vr, length, data }: Element): Uint8Array =>
  concat([
    u16(group),
    u16(element),
    ...(vr === null ? [u32(length)] : [utf8(vr), LONG.includes(vr) ? [0, 0, ...u32(length)] : u16(length)]),
    data,
  ]);

const sized = (element: Element, data: Uint8Array): Element => ({ ...element, data, length: data.length });

export function mutateDicom(bytes: Uint8Array, random: Random): Uint8Array {
  const list = elementsOf(bytes);
  const first = list.findIndex(({ group }) => group !== 2);
  for (let edits = 1 + random.below(2); edits > 0; edits--) {
    // The group of the file itself is left alone most times: nothing is read without it.
    const from = random.chance(0.9) ? first : 0;
    const at = from + random.below(list.length - from);
    const element = list[at];
    switch (random.below(9)) {
      case 0:
        list[at] = sized(element, spoilt(element.data, random));
        break;
      case 1:
        list[at] = sized(element, otherValue(element, random));
        break;
      case 2:
        // Only its length: what follows is read from the middle.
        list[at] = { ...element, length: random.pick([0, 1, element.length + 2, 0xffff, UNDEFINED, 0x7fff_ffff]) };
        break;
      case 3:
        list[at] = {
          ...element,
          vr: element.vr && random.pick(["OB", "SQ", "UN", "US", "DS", "LO", "ZZ", "\0\0", "UT"]),
        };
        break;
      case 4:
        list.splice(at, 1);
        break;
      case 5:
        list.splice(at, 0, random.pick(list));
        break;
      case 6:
        list.splice(at, 0, ...sequences(element.vr !== null, random));
        break;
      case 7:
        list[at] = numeric(element, random);
        break;
      default:
        list[at] = { ...element, element: element.element ^ (1 << random.below(16)) };
    }
    if (list.length === 0) break;
  }
  return concat([bytes.slice(0, PREAMBLE), ...list.map(written)]);
}

/** The same image of 16 bits with more pixels: what a reader takes for each of them shows. */
export function enlarged(bytes: Uint8Array, rows: number, columns: number): Uint8Array {
  const other = (element: Element): Element => {
    const tag = element.group * 0x10000 + element.element;
    if (tag === 0x00280010) return sized(element, Uint8Array.from(u16(rows)));
    if (tag === 0x00280011) return sized(element, Uint8Array.from(u16(columns)));
    if (tag !== 0x7fe00010) return element;
    return sized(
      element,
      new Uint8Array(rows * columns * 2).map((_, i) => i % 7),
    );
  };
  return concat([bytes.slice(0, PREAMBLE), ...elementsOf(bytes).map((element) => written(other(element)))]);
}

/** A number where there is one: sizes, bits, frames, windows. */
function numeric(element: Element, random: Random): Element {
  const { vr, group } = element;
  if (vr === "US" || (vr === null && group === 0x28 && element.data.length === 2))
    return sized(element, Uint8Array.from(u16(random.pick([0, 1, 2, 3, 8, 12, 15, 16, 17, 32, 4000, 0x7fff, 0xffff]))));
  return sized(
    element,
    utf8(
      random.pick([
        "0 ",
        "-1",
        "1e308 ",
        "-1e9",
        "99999999",
        "1\\2\\3 ",
        "abc ",
        "",
        "1.5 ",
        "1e-300",
        "Infinity",
        "NaN ",
      ]),
    ),
  );
}

function otherValue({ data }: Element, random: Random): Uint8Array {
  return random.pick([
    new Uint8Array(0),
    data.slice(0, 2 * random.below(data.length / 2 + 1)),
    concat([data, data]),
    utf8("MONOCHROME1 "),
    utf8("RGB "),
    utf8("YBR_FULL"),
    utf8("SIGMOID "),
    new Uint8Array(70).fill(0x41),
  ]);
}

/** Sequences with and without lengths, in each other. */
function sequences(isTyped: boolean, random: Random): Element[] {
  const depth = random.pick([1, 3, 50, 1000]);
  const item = concat([u16(0xfffe), u16(0xe000), u32(random.pick([0, 8, UNDEFINED, 0x7fff_ffff]))]);
  const open = concat([u16(0x0008), u16(0x1140), ...(isTyped ? [utf8("SQ"), [0, 0]] : []), u32(UNDEFINED)]);
  const body = concat(Array.from({ length: depth }, () => concat([item, open])));
  const close = random.chance(0.5) ? concat([u16(0xfffe), u16(0xe0dd), u32(0)]) : new Uint8Array(0);
  const data = concat([body, close]);
  return [
    {
      group: 8,
      element: 0x1140,
      vr: isTyped ? "SQ" : null,
      length: random.chance(0.5) ? data.length : UNDEFINED,
      data,
    },
  ];
}

/** The letters of the format, and a group of the file itself that names a transfer syntax that is read. */
export function hasDicomHeader(bytes: Uint8Array): boolean {
  const head = new TextDecoder("latin1").decode(bytes.subarray(128, 700));
  const syntax = head.indexOf("\x02\0\x10\0UI");
  if (!head.startsWith("DICM\x02\0\0\0UL\x04\0") || syntax < 0) return false;
  const uid = head.slice(syntax + 8).match(/^[\d.]*/)?.[0] ?? "";
  return ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"].includes(uid);
}
