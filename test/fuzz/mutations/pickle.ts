/** Pickles changed by whole opcodes: what comes out is still a program, of a stranger. */
import { concat } from "../../io/support/collect.js";
import { u32 } from "../../io/support/pickle-writer.js";
import type { Random } from "../random.js";
import { spoilt, utf8 } from "./bytes.js";

/** Bytes of an opcode's argument; lines end with a newline, counted ones begin with their length. */
const ARGUMENTS: Readonly<Record<number, number | "line" | "two lines" | "u8" | "u32" | "u64">> = {
  ...{ 128: 1, 75: 1, 113: 1, 104: 1, 77: 2, 74: 4, 114: 4, 106: 4, 71: 8, 149: 8 },
  ...{ 99: "two lines", 138: "u8", 85: "u8", 140: "u8", 67: "u8" },
  ...{ 139: "u32", 84: "u32", 88: "u32", 66: "u32", 141: "u64", 142: "u64", 150: "u64" },
};

/** One opcode with its argument each, up to the end of the first pickle. */
function operations(bytes: Uint8Array): Uint8Array[] {
  const list: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(endOf(bytes, view, at), bytes.length);
    list.push(bytes.slice(at, end));
    if (bytes[at] === STOP) break;
    at = end;
  }
  return list;
}

function endOf(bytes: Uint8Array, view: DataView, at: number): number {
  const argument = ARGUMENTS[bytes[at]] ?? 0;
  const from = at + 1;
  if (typeof argument === "number") return from + argument;
  const line = (start: number) => bytes.indexOf(0x0a, start) + 1 || bytes.length;
  if (argument === "line") return line(from);
  if (argument === "two lines") return line(line(from));
  if (argument === "u8") return from + 1 + bytes[from];
  if (argument === "u32") return from + 4 + view.getUint32(from, true);
  return from + 8 + Number(view.getBigUint64(from, true));
}

const STOP = 0x2e;

const GLOBALS = [
  ["collections", "OrderedDict"],
  ["torch", "FloatStorage"],
  ["torch", "UntypedStorage"],
  ["torch", "BoolStorage"],
  ["torch", "float32"],
  ["torch", "Size"],
  ["torch", "device"],
  ["torch._utils", "_rebuild_tensor_v2"],
  ["torch._utils", "_rebuild_parameter"],
  ["torch._tensor", "_rebuild_from_type_v2"],
  ["builtins", "set"],
  ["builtins", "bytes"],
  ["_codecs", "encode"],
  ["posix", "system"],
  ["builtins", "eval"],
  ["torch", "__proto__"],
].map(([module, name]) => utf8(`c${module}\n${name}\n`));

const NUMBERS = [0, 1, 2, 7, 255, 65_535, 2 ** 31 - 1, -1, -(2 ** 31)].map(
  (n) => new Uint8Array([0x4a, ...u32(n >>> 0)]),
);
const PLAIN = [0x28, 0x29, 0x30, 0x4e, 0x52, 0x5d, 0x61, 0x62, 0x65, 0x73, 0x74, 0x75, 0x7d, 0x81, 0x85, 0x86, 0x87];
const OTHERS = [0x51, 0x8f, 0x90, 0x91, 0x93, 0x94, 0x6c, 0x64, 0x88, 0x89, 0x32, 0x8a, 0x95, 0x69];

export function mutatePickle(bytes: Uint8Array, random: Random): Uint8Array {
  const list = operations(bytes);
  const rest = bytes.subarray(list.reduce((sum, { length }) => sum + length, 0));
  for (let edits = 1 + random.below(3); edits > 0; edits--) {
    const at = random.below(Math.max(1, list.length - 1));
    switch (random.below(9)) {
      case 0:
        list.splice(at, 1);
        break;
      case 1:
        list.splice(at, 0, random.pick(list));
        break;
      case 2:
        list.splice(at, 0, random.pick(GLOBALS));
        break;
      case 3:
        list.splice(at, 0, random.pick(NUMBERS));
        break;
      case 4:
        list.splice(at, 0, Uint8Array.of(random.pick([...PLAIN, ...OTHERS])));
        break;
      case 5:
        // A global for a global, a number for a number.
        replaceLike(list, 0x63, GLOBALS, random);
        break;
      case 6:
        replaceLike(list, 0x4b, [...NUMBERS, ...[0, 1, 2, 3, 64, 200].map((n) => Uint8Array.of(0x4b, n))], random);
        break;
      case 7:
        // What is small in the file and large in memory.
        list.splice(
          at,
          0,
          new Uint8Array(random.pick([10, 1000, 200_000])).fill(random.pick([0x5d, 0x7d, 0x28, 0x29])),
        );
        break;
      default:
        list[at] = list[at].length > 1 ? spoilt(list[at], random, 1) : Uint8Array.of(random.pick(PLAIN));
    }
  }
  return concat([...list, rest]);
}

function replaceLike(list: Uint8Array[], opcode: number, others: readonly Uint8Array[], random: Random): void {
  const places = list.flatMap(([first], i) => (first === opcode ? [i] : []));
  if (places.length > 0) list[random.pick(places)] = random.pick(others);
}
