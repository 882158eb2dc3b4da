/** Safetensors whose length field fits its header, whatever the header says. */
import { concat } from "../../io/support/collect.js";
import type { Random } from "../random.js";
import { spoilt, text, utf8 } from "./bytes.js";
import { type Json, mutateTree, written } from "./json.js";

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const DTYPES = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "U32", "F8_E4M3", "f32", "F4"];
const BYTES: Readonly<Record<string, number>> = { F64: 8, I64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2 };

export function mutateSafetensors(bytes: Uint8Array, random: Random): Uint8Array {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header: Record<string, Entry> = JSON.parse(text(bytes.subarray(8, 8 + length)));
  let values = bytes.subarray(8 + length);
  const names = Object.keys(header).filter((name) => name !== "__metadata__");
  const name = random.pick(names);
  switch (random.below(8)) {
    case 0:
      // Only values.
      values = spoilt(values, random);
      break;
    case 1:
      header[name] = reshaped(header[name], random);
      break;
    case 2: {
      // Another type, the bytes still right.
      const dtype = random.pick(DTYPES);
      const size = header[name].data_offsets[1] - header[name].data_offsets[0];
      header[name] = { ...header[name], dtype, shape: [Math.floor(size / (BYTES[dtype] ?? 1))] };
      break;
    }
    case 3: {
      // Two tensors change places, or share one.
      const other = random.pick(names);
      const [a, b] = [header[name].data_offsets, header[other].data_offsets];
      header[name].data_offsets = b;
      header[other].data_offsets = random.chance(0.5) ? a : b;
      break;
    }
    case 4: {
      const at = random.below(2) as 0 | 1;
      header[name].data_offsets[at] += random.pick([1, -1, 4, -4, 2 ** 31, 2 ** 53, -(2 ** 40), 0.5]);
      break;
    }
    case 5:
      values = random.chance(0.5)
        ? values.slice(0, random.below(values.length + 1))
        : concat([values, new Uint8Array(1 + random.below(64))]);
      break;
    case 6: {
      const entry = header[name];
      delete header[name];
      if (random.chance(0.6))
        header[random.pick([`${name}.weight`, `x${name}`, "", "__metadata__", name.slice(1)])] = entry;
      break;
    }
    default:
      return file(written(mutateTree(header as unknown as Json, random)), values);
  }
  return file(JSON.stringify(header), values);
}

/** Other sizes: some with the same product, some beyond every file. */
function reshaped(entry: Entry, random: Random): Entry {
  const { shape } = entry;
  const count = shape.reduce((product, size) => product * size, 1);
  const other = random.pick<number[]>([
    ...[[...shape].reverse(), [count], [...shape, 1], [1, ...shape], shape.map((size) => size + 1), [count / 2, 2]],
    ...[
      [2 ** 32, 2 ** 32],
      [2 ** 53],
      [0, 2 ** 53, 2 ** 53],
      [-1, ...shape],
      [],
      shape.slice(1),
      new Array(200).fill(1),
    ],
  ]);
  return { ...entry, shape: other };
}

function file(header: string, values: Uint8Array): Uint8Array {
  const bytes = utf8(header);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(bytes.length), true);
  return concat([length, bytes, values]);
}

/** Length and header can be read, and the header is an object. */
export function hasSafetensorsHeader(bytes: Uint8Array): boolean {
  if (bytes.length < 8) return false;
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (8 + length > bytes.length || bytes[8] !== 0x7b) return false;
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)));
    return true;
  } catch {
    return false;
  }
}
