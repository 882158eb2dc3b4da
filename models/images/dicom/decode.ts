/** The picture of a DICOM file: window applied, 8 bits, RGB. */
import { platform } from "#platform";
import type { RgbImage } from "../resize.js";
import { greyPixels, type StoredValues } from "./grey.js";
import { DicomFault, type DicomHeader, readHeader } from "./header.js";

/**
 * Frame `frame` of a file, counted from 1; of several the one in the middle where it is null. Rejects with DicomFault, which names what
 * is wrong, and with what `platform.decodeImage` throws of a JPEG in it.
 */
export async function decodeDicom(bytes: Uint8Array, label: string, frame: number | null = null): Promise<RgbImage> {
  const header = await readHeader(bytes);
  const { frames } = header;
  if (frame !== null && (frame < 1 || frame > frames))
    throw new DicomFault(`there is no frame ${frame}: it has ${frames}`);
  const index = frame === null ? Math.floor(frames / 2) : frame - 1;
  return header.layout === "jpeg" ? jpegFrame(header, bytes, index, label) : plainFrame(header, bytes, index);
}

function plainFrame(header: DicomHeader, bytes: Uint8Array, index: number): RgbImage {
  const { width, height, samples, bitsAllocated, frames, pixels } = header;
  const length = width * height * samples * (bitsAllocated / 8);
  const [offset, there] = [pixels?.dataOffset ?? 0, pixels?.length ?? 0];
  const end = Math.min(offset + there, bytes.length);
  if (offset + length * frames > end)
    throw new DicomFault(
      `its pixels are cut short: ${Math.max(end - offset, 0)} of ${length * frames} bytes are there`,
    );
  const raw = bytes.subarray(offset + index * length, offset + (index + 1) * length);
  if (samples === 3) return colours(header, raw);
  return greyImage(header, storedValues(header, raw), index);
}

/** Sign and unused bits: only those up to the high bit count. */
function storedValues({ bitsAllocated, bitsStored, highBit, isSigned }: DicomHeader, raw: Uint8Array): StoredValues {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const step = bitsAllocated / 8;
  const [up, down] = [31 - highBit, 32 - bitsStored];
  return {
    length: raw.length / step,
    at(i) {
      const value = (step === 1 ? view.getUint8(i) : view.getUint16(i * 2, true)) << up;
      return isSigned ? value >> down : value >>> down;
    },
  };
}

function greyImage(header: DicomHeader, stored: StoredValues, index: number): RgbImage {
  const { width, height, padding, photometric } = header;
  const window = header.window(index);
  const isInverted = photometric === "MONOCHROME1";
  return { width, height, rgb: greyPixels(stored, { ...header.rescale(index), window, padding, isInverted }) };
}

function colours({ width, height, isPlanar, photometric }: DicomHeader, raw: Uint8Array): RgbImage {
  const rgb = new Uint8Array(raw);
  const plane = width * height;
  if (isPlanar) for (let i = 0; i < rgb.length; i++) rgb[i] = raw[(i % 3) * plane + Math.floor(i / 3)];
  if (photometric === "YBR_FULL") toRgb(rgb);
  return { width, height, rgb };
}

/** ITU-R BT.601 of the full range, as PS3.3 C.7.6.3.1.2 has it. */
function toRgb(pixels: Uint8Array): void {
  const byte = (value: number) => Math.min(Math.max(Math.round(value), 0), 255);
  for (let i = 0; i < pixels.length; i += 3) {
    const [y, b, r] = [pixels[i], pixels[i + 1] - 128, pixels[i + 2] - 128];
    pixels[i] = byte(y + 1.402 * r);
    pixels[i + 1] = byte(y - ((0.114 * 1.772) / 0.587) * b - ((0.299 * 1.402) / 0.587) * r);
    pixels[i + 2] = byte(y + 1.772 * b);
  }
}

/** A frame that is a JPEG: in one fragment or several, by the table of offsets where there is one. */
async function jpegFrame(header: DicomHeader, bytes: Uint8Array, index: number, label: string): Promise<RgbImage> {
  const { width, height, samples } = header;
  const jpeg = frameOf(header, bytes, index);
  const image = await platform.decodeImage(jpeg, label);
  if (image.width !== width || image.height !== height)
    throw new DicomFault(`its JPEG has ${image.width} x ${image.height} pixels, the file says ${width} x ${height}`);
  if (samples === 3) return image;
  return greyImage(header, { length: width * height, at: (i) => image.rgb[i * 3] }, index);
}

/** The JPEG of a frame: by the table of offsets where there is one, else a fragment for each frame, or all for the only one. */
function frameOf({ frames, pixels }: DicomHeader, bytes: Uint8Array, index: number): Uint8Array {
  const { table, fragments } = encapsulated(bytes, pixels?.dataOffset ?? bytes.length);
  let own = fragments;
  if (table.length === frames) {
    const [from, to = Number.POSITIVE_INFINITY] = table.slice(index, index + 2);
    own = fragments.filter(({ offset }) => offset >= from && offset < to);
  } else if (frames > 1) own = fragments.length === frames ? [fragments[index]] : [];
  if (own.length === 0)
    throw new DicomFault(`frame ${index + 1} of ${frames} is not there: its JPEGs cannot be told apart`);
  const whole = new Uint8Array(own.reduce((sum, { data }) => sum + data.length, 0));
  let at = 0;
  for (const { data } of own) {
    whole.set(data, at);
    at += data.length;
  }
  return whole;
}

interface Fragment {
  /** Behind the table of offsets. */
  readonly offset: number;
  readonly data: Uint8Array;
}

/** The items of encapsulated pixels (PS3.5 A.4): the first is the table of offsets, which may be empty. */
function encapsulated(bytes: Uint8Array, start: number): { table: number[]; fragments: Fragment[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const items: { at: number; data: Uint8Array }[] = [];
  for (let at = start; at + 8 <= bytes.length && view.getUint32(at, true) === ITEM; ) {
    const length = view.getUint32(at + 4, true);
    if (at + 8 + length > bytes.length) throw new DicomFault("its JPEGs are cut short");
    items.push({ at, data: bytes.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  const [first, ...others] = items;
  if (first === undefined || others.length === 0) throw new DicomFault("it has no JPEG");
  const offsets = new DataView(first.data.buffer, first.data.byteOffset, first.data.byteLength);
  return {
    table: Array.from({ length: Math.floor(first.data.length / 4) }, (_, i) => offsets.getUint32(i * 4, true)),
    fragments: others.map(({ at, data }) => ({ offset: at - others[0].at, data })),
  };
}

/** The tag (FFFE,E000). */
const ITEM = 0xe000_fffe;
