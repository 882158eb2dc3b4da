/**
 * Random access to a zip file (PKWARE APPNOTE 6.3), zip64 included: reads the central directory, never the whole file.
 * Checksums are not compared: torch does not either, and may write zeros for them (`set_crc32_options`).
 */
import { DAMAGED, FileFormatError } from "./errors.js";
import { type FileSource, readRange } from "./file-source.js";

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_ENTRY = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const END64_LOCATOR = 0x07064b50;
const END_BYTES = 22;
const END64_LOCATOR_BYTES = 20;
const MAX_COMMENT = 65_535;
const MAX_DIRECTORY_BYTES = 2 ** 28;
/** Deflate cannot shrink further; a larger claim is a lie. */
const MAX_DEFLATE_RATIO = 1032;
/** What is read of an entry may be twice the file, for weights shrink little, and this much more. */
const SPARE_INFLATED = 2 ** 25;
/** Bytes that come out of the inflater at a time, on average. */
const INFLATED_PIECE = 2 ** 20;
const INFLATE_CHUNK = 65_536;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED_FLAG = 1;
const ZIP64_EXTRA = 1;

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly compressedBytes: number;
  readonly byteLength: number;
  readonly headerOffset: number;
}

interface Directory {
  readonly offset: number;
  readonly byteLength: number;
  readonly entries: number;
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The entries by name, in the order of the central directory. */
export async function readZipEntries(source: FileSource): Promise<Map<string, ZipEntry>> {
  const directory = await findDirectory(source);
  const most = Math.min(MAX_DIRECTORY_BYTES, source.size);
  if (directory.byteLength > most) throw damaged(source, `the zip directory claims ${directory.byteLength} bytes`);
  const bytes = await readRange(source, directory.offset, directory.byteLength, "the zip directory");
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < directory.entries; i++) {
    const { entry, next } = parseEntry(source, bytes, at);
    if (entries.has(entry.name)) throw damaged(source, `two zip entries are called "${entry.name}"`);
    entries.set(entry.name, entry);
    at = next;
  }
  return entries;
}

/** Gives the bytes [offset, offset + length) of an entry; finds and checks its local header on first use. */
export function entryReader(
  source: FileSource,
  entry: ZipEntry,
): (offset: number, length: number) => Promise<Uint8Array> {
  let dataOffset: number | null = null;
  return async (offset, length) => {
    if (!(offset >= 0 && length >= 0 && offset + length <= entry.byteLength)) {
      throw damaged(source, `bytes ${offset} to ${offset + length} lie outside zip entry "${entry.name}"`);
    }
    dataOffset ??= await findData(source, entry);
    if (entry.method === STORED) return readRange(source, dataOffset + offset, length, `zip entry "${entry.name}"`);
    return inflate(source, entry, dataOffset, offset, length);
  };
}

async function findDirectory(source: FileSource): Promise<Directory> {
  const tailBytes = Math.min(source.size, END_BYTES + MAX_COMMENT + END64_LOCATOR_BYTES);
  const tailStart = source.size - tailBytes;
  const tail = viewOf(await readRange(source, tailStart, tailBytes, "the end of the zip file"));
  let at = tailBytes - END_BYTES;
  while (at >= 0 && !(tail.getUint32(at, true) === END && at + END_BYTES + tail.getUint16(at + 20, true) === tailBytes))
    at--;
  if (at < 0) throw damaged(source, "the zip directory at the end of the file is missing");
  const end = {
    entries: tail.getUint16(at + 10, true),
    byteLength: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
  };
  const locator = at - END64_LOCATOR_BYTES;
  if (locator < 0 || tail.getUint32(locator, true) !== END64_LOCATOR) return end;
  const end64 = viewOf(await readRange(source, safe(source, tail, locator + 8), 56, "the zip64 directory end"));
  if (end64.getUint32(0, true) !== END64) throw damaged(source, "the zip64 directory end is missing");
  return {
    entries: safe(source, end64, 32),
    byteLength: safe(source, end64, 40),
    offset: safe(source, end64, 48),
  };
}

function parseEntry(source: FileSource, bytes: Uint8Array, at: number): { entry: ZipEntry; next: number } {
  const view = viewOf(bytes);
  if (at + 46 > bytes.length || view.getUint32(at, true) !== CENTRAL_ENTRY) {
    throw damaged(source, `the zip directory has no entry at byte ${at}`);
  }
  const nameBytes = view.getUint16(at + 28, true);
  const extraBytes = view.getUint16(at + 30, true);
  const extraAt = at + 46 + nameBytes;
  const next = extraAt + extraBytes + view.getUint16(at + 32, true);
  if (next > bytes.length) throw damaged(source, `the zip entry at byte ${at} of the directory is cut short`);
  const name = new TextDecoder().decode(bytes.subarray(at + 46, extraAt));
  if (view.getUint16(at + 8, true) & ENCRYPTED_FLAG) {
    throw new FileFormatError(source.name, `zip entry "${name}" is encrypted`, "Decrypt the file first");
  }
  const method = view.getUint16(at + 10, true);
  if (method !== STORED && method !== DEFLATED) {
    throw new FileFormatError(
      source.name,
      `zip entry "${name}" uses compression ${method}`,
      "Save it again with torch.save",
    );
  }
  // A field that overflows 32 bits is all ones there and follows, in this order, in the zip64 extra field.
  const extra = zip64Values(source, view, extraAt, extraAt + extraBytes);
  const wide = (field: number) => (field === 0xffffffff ? (extra.shift() ?? field) : field);
  const byteLength = wide(view.getUint32(at + 24, true));
  const compressedBytes = wide(view.getUint32(at + 20, true));
  const headerOffset = wide(view.getUint32(at + 42, true));
  if (headerOffset + compressedBytes > source.size || (method === STORED && compressedBytes !== byteLength)) {
    throw damaged(source, `zip entry "${name}" claims ${compressedBytes} bytes at ${headerOffset}`);
  }
  if (byteLength > compressedBytes * MAX_DEFLATE_RATIO) {
    throw damaged(source, `zip entry "${name}" claims ${byteLength} bytes from ${compressedBytes} compressed ones`);
  }
  return { entry: { name, method, compressedBytes, byteLength, headerOffset }, next };
}

function zip64Values(source: FileSource, view: DataView, from: number, to: number): number[] {
  for (let at = from; at + 4 <= to; ) {
    const end = at + 4 + view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === ZIP64_EXTRA) {
      const values: number[] = [];
      for (let v = at + 4; v + 8 <= Math.min(end, to) && values.length < 3; v += 8) values.push(safe(source, view, v));
      return values;
    }
    at = end;
  }
  return [];
}

async function findData(source: FileSource, entry: ZipEntry): Promise<number> {
  const header = viewOf(await readRange(source, entry.headerOffset, 30, `the header of zip entry "${entry.name}"`));
  if (header.getUint32(0, true) !== LOCAL_HEADER) throw damaged(source, `zip entry "${entry.name}" has no header`);
  return entry.headerOffset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
}

/** The bytes [offset, offset + length) of what an entry inflates to, all of which has to be as long as it claims. */
async function inflate(
  source: FileSource,
  entry: ZipEntry,
  dataOffset: number,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const most = 2 * source.size + SPARE_INFLATED;
  if (length > most) {
    const what = `${length} bytes of zip entry "${entry.name}" in a file of ${source.size}, of which at most ${most} are taken`;
    throw new FileFormatError(source.name, what, "Save it again with torch.save, which does not compress");
  }
  const { Inflate } = await import("fflate");
  const out = new Uint8Array(length);
  let done = 0;
  const stream = new Inflate((chunk) => {
    const [from, to] = [Math.max(offset - done, 0), Math.min(offset + length - done, chunk.length)];
    if (from < to) out.set(chunk.subarray(from, to), done + from - offset);
    done += chunk.length;
    if (done > entry.byteLength) throw damaged(source, `zip entry "${entry.name}" is longer than it claims`);
  });
  // What a piece becomes is in memory at once.
  const piece = Math.max(1, Math.floor((INFLATED_PIECE * entry.compressedBytes) / Math.max(1, entry.byteLength)));
  for (let at = 0; at < entry.compressedBytes; at += INFLATE_CHUNK) {
    const length = Math.min(INFLATE_CHUNK, entry.compressedBytes - at);
    const chunk = await readRange(source, dataOffset + at, length, `zip entry "${entry.name}"`);
    try {
      for (let from = 0; from < length; from += piece)
        stream.push(chunk.subarray(from, from + piece), at + from + piece >= entry.compressedBytes);
    } catch (cause) {
      if (cause instanceof FileFormatError) throw cause;
      throw new FileFormatError(source.name, `zip entry "${entry.name}" does not decompress`, DAMAGED, { cause });
    }
  }
  if (done !== entry.byteLength) throw damaged(source, `zip entry "${entry.name}" is shorter than it claims`);
  return out;
}

/** A 64-bit field as a number; one beyond 2^53 cannot be right in any file. */
function safe(source: FileSource, view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at, true));
  if (!Number.isSafeInteger(value)) throw damaged(source, `the zip file claims a size or position of ${value}`);
  return value;
}

const damaged = (source: FileSource, what: string) => new FileFormatError(source.name, what, DAMAGED);
