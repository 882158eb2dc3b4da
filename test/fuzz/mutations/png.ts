/** PNG by its chunks, with their checksums right. */
import { crc32, deflateSync, inflateSync } from "node:zlib";
import { concat } from "../../io/support/collect.js";
import type { Random } from "../random.js";
import { spoilt, utf8 } from "./bytes.js";

interface Chunk {
  type: string;
  data: Uint8Array;
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

function chunksOf(bytes: Uint8Array): Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Chunk[] = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at, false);
    const type = new TextDecoder("latin1").decode(bytes.subarray(at + 4, at + 8));
    chunks.push({ type, data: bytes.slice(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

function pngOf(chunks: readonly Chunk[]): Uint8Array {
  return concat([
    SIGNATURE,
    ...chunks.flatMap(({ type, data }) => {
      const body = concat([utf8(type), data]);
      return [u32be(data.length), body, u32be(crc32(body))];
    }),
  ]);
}

const u32be = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];

export function mutatePng(bytes: Uint8Array, random: Random): Uint8Array {
  const chunks = chunksOf(bytes);
  const [header] = chunks;
  const pixels = chunks.findIndex(({ type }) => type === "IDAT");
  const raw = new Uint8Array(inflateSync(chunks[pixels].data));
  const at = 1 + random.below(chunks.length - 1);
  switch (random.below(9)) {
    case 0:
      chunks[pixels].data = compressed(spoilt(raw, random));
      break;
    case 1:
      chunks[pixels].data = compressed(raw.slice(0, random.below(raw.length)));
      break;
    case 2:
      chunks[pixels].data = compressed(concat([raw, new Uint8Array(1 + random.below(1000))]));
      break;
    case 3:
      chunks[pixels].data = spoilt(chunks[pixels].data, random, 2);
      break;
    case 4:
      header.data = otherHeader(header.data, random);
      break;
    case 5:
      // A side that the pixels fill: zeros, which take no room.
      header.data = sized(header.data, random.pick([1, 500, 2000]), random.pick([1, 500, 4000]));
      chunks[pixels].data = compressed(new Uint8Array(rawBytes(header.data)));
      break;
    case 6:
      chunks.splice(at, random.below(2));
      break;
    case 7:
      chunks.splice(at, 0, random.chance(0.3) ? { ...random.pick(chunks) } : random.pick(EXTRA));
      break;
    default:
      chunks[at] = { ...chunks[at], data: spoilt(chunks[at].data, random) };
  }
  return pngOf(chunks);
}

const compressed = (raw: Uint8Array) => new Uint8Array(deflateSync(raw));

/** Other sizes, depths, colour types or interlacing than the pixels have. */
function otherHeader(data: Uint8Array, random: Random): Uint8Array {
  if (random.chance(0.5)) {
    const sides = [0, 1, 2, 3000, 5000, 16_000, 16_384, 100_000, 2 ** 31 - 1, 2 ** 32 - 1];
    const view = new DataView(data.buffer, data.byteOffset);
    const [width, height] = [view.getUint32(0), view.getUint32(4)];
    return sized(data, random.pick([width, width + 1, ...sides]), random.pick([height, height - 1, ...sides]));
  }
  const out = new Uint8Array(data);
  const [field, values] = random.pick([
    [8, [1, 2, 4, 8, 16, 3, 0]],
    [9, [0, 2, 3, 4, 6, 1, 7]],
    [12, [0, 1, 2]],
    [10, [0, 1]],
    [11, [0, 1]],
  ] as const);
  out[field] = random.pick<number>(values);
  return out;
}

function sized(data: Uint8Array, width: number, height: number): Uint8Array {
  const out = new Uint8Array(data);
  const view = new DataView(out.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  return out;
}

/** Bytes of the pixels that a header tells of, a filter byte for each row, without interlacing. */
function rawBytes(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset);
  const channels = [1, 0, 3, 1, 2, 0, 4][data[9]] ?? 1;
  return view.getUint32(4) * (1 + Math.ceil((view.getUint32(0) * channels * data[8]) / 8));
}

const EXTRA: readonly Chunk[] = [
  { type: "gAMA", data: new Uint8Array(4) },
  { type: "tRNS", data: new Uint8Array(300) },
  { type: "PLTE", data: new Uint8Array(9) },
  { type: "PLTE", data: new Uint8Array(10) },
  { type: "iCCP", data: concat([utf8("p\0\0"), compressed(new Uint8Array(1e6))]) },
  { type: "zTXt", data: concat([utf8("k\0\0"), compressed(new Uint8Array(2e7).fill(65))]) },
  { type: "eXIf", data: concat([utf8("MM\0*"), [0, 0, 0, 8, 0xff, 0xff], new Uint8Array(50).fill(255)]) },
  { type: "tEXt", data: utf8("Comment\0text") },
  { type: "acTL", data: new Uint8Array([0, 0, 255, 255, 0, 0, 0, 0]) },
  { type: "IEND", data: new Uint8Array(0) },
  { type: "ABCD", data: new Uint8Array(5) },
  { type: "sBIT", data: new Uint8Array([0]) },
];

/** Signature, and a first chunk IHDR whose checksum and values are right. */
export function hasPngHeader(bytes: Uint8Array): boolean {
  if (bytes.length < 33 || !SIGNATURE.every((byte, i) => bytes[i] === byte)) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const depths: Readonly<Record<number, readonly number[]>> = {
    0: [1, 2, 4, 8, 16],
    2: [8, 16],
    3: [1, 2, 4, 8],
    4: [8, 16],
    6: [8, 16],
  };
  return (
    view.getUint32(8) === 13 &&
    view.getUint32(12) === 0x49484452 &&
    view.getUint32(29) === crc32(bytes.subarray(12, 29)) &&
    [view.getUint32(16), view.getUint32(20)].every((side) => side > 0 && side < 2 ** 31) &&
    (depths[bytes[25]]?.includes(bytes[24]) ?? false) &&
    bytes[26] === 0 &&
    bytes[27] === 0 &&
    bytes[28] <= 1
  );
}
