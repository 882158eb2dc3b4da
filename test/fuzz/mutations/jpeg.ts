/** JPEG by its segments, their lengths right; and in what stands behind the start of the scan. */
import { concat } from "../../io/support/collect.js";
import type { Random } from "../random.js";
import { spoilt, utf8 } from "./bytes.js";

interface Segment {
  marker: number;
  data: Uint8Array;
}

const SCAN = 0xda;
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** Segments up to the first scan, and all that follows its header. */
function partsOf(bytes: Uint8Array): { segments: Segment[]; scan: Uint8Array } {
  const segments: Segment[] = [];
  for (let at = 2; at + 4 <= bytes.length; ) {
    const marker = bytes[at + 1];
    const length = bytes[at + 2] * 256 + bytes[at + 3];
    segments.push({ marker, data: bytes.slice(at + 4, at + 2 + length) });
    at += 2 + length;
    if (marker === SCAN) return { segments, scan: bytes.slice(at) };
  }
  return { segments, scan: new Uint8Array(0) };
}

const jpegOf = (segments: readonly Segment[], scan: Uint8Array): Uint8Array =>
  concat([
    [0xff, 0xd8],
    ...segments.flatMap(({ marker, data }) => [[0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 255], data]),
    scan,
  ]);

export function mutateJpeg(bytes: Uint8Array, random: Random): Uint8Array {
  const { segments, scan } = partsOf(bytes);
  const at = random.below(segments.length);
  switch (random.below(8)) {
    case 0:
    case 1:
      return jpegOf(segments, spoilt(scan, random));
    case 2:
      return jpegOf(segments, scan.slice(0, random.below(scan.length)));
    case 3:
      // Tables, components, the header of the scan.
      segments[at] = { ...segments[at], data: spoilt(segments[at].data, random) };
      break;
    case 4: {
      const frame = segments.find(({ marker }) => isFrame(marker));
      if (frame) frame.data = otherFrame(frame.data, random);
      break;
    }
    case 5:
      segments.splice(at, random.below(2));
      break;
    case 6:
      segments.splice(at, 0, random.chance(0.4) ? segments[random.below(segments.length)] : random.pick(EXTRA));
      break;
    default:
      // Scans one after the other, and bytes that mean restarts or ends.
      return jpegOf(segments, concat([scan.slice(0, random.below(scan.length)), random.pick(TAILS), scan]));
  }
  return jpegOf(segments, scan);
}

/** Other sizes or sampling: data[0] bits, then height, width, and three bytes for each component. */
function otherFrame(data: Uint8Array, random: Random): Uint8Array {
  const out = new Uint8Array(data);
  const what = random.below(4);
  if (what < 2) {
    const side = random.pick([0, 1, 9, 4000, 8000, 16_383, 65_500, 65_535]);
    const from = random.pick([1, 3]);
    out[from] = side >> 8;
    out[from + 1] = side & 255;
  } else if (what === 2) out[7] = random.pick([0x11, 0x22, 0x44, 0x12, 0x21, 0x00, 0xff, 0x41]);
  else out[random.pick([0, 5])] = random.pick([1, 2, 3, 4, 8, 12, 16]);
  return out;
}

const exif = (...body: number[]) => ({ marker: 0xe1, data: concat([utf8("Exif\0\0MM\0*"), [0, 0, 0, 8], body]) });
const EXTRA: readonly Segment[] = [
  ...[1, 3, 6, 8, 9, 0].map((turn) => exif(0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, turn, 0, 0, 0, 0, 0, 0)),
  exif(255, 255, 1, 2, 3),
  { marker: 0xee, data: concat([utf8("Adobe"), [0, 100, 0, 0, 0, 0, 2]]) },
  { marker: 0xe2, data: concat([utf8("ICC_PROFILE\0"), [1, 1], new Uint8Array(200)]) },
  { marker: 0xdd, data: Uint8Array.of(0, 1) },
  { marker: 0xdd, data: Uint8Array.of(255, 255) },
  { marker: 0xfe, data: utf8("comment") },
  { marker: 0xdb, data: new Uint8Array(65) },
  { marker: 0xc4, data: new Uint8Array(17) },
  { marker: 0xdc, data: Uint8Array.of(255, 255) },
];
const TAILS = [
  [0xff, 0xd0],
  [0xff, 0xd9],
  [0xff, 0xd8],
  [0xff, 0x00],
  [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0],
  [0xff, 0xc4, 0, 3, 0],
];

/** From the first segment to the first scan everything has a length that fits, and a frame is among it. */
export function hasJpegHeader(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return false;
  let hasFrame = false;
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return false;
    const length = bytes[at + 2] * 256 + bytes[at + 3];
    if (length < 2) return false;
    if (bytes[at + 1] === SCAN) return hasFrame && at + 2 + length <= bytes.length;
    hasFrame ||= isFrame(bytes[at + 1]);
    at += 2 + length;
  }
  return false;
}
