/** Zip files as tests need them: stored or deflated, zip64 fields where 32 bits would do, a comment at the end. */
import { deflateRawSync } from "node:zlib";
import { concat } from "./collect.js";

export interface ZipItem {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly deflate?: boolean;
}

export interface ZipLayout {
  readonly zip64?: boolean;
  readonly comment?: string;
  /** Length of the extra field of local headers, with which torch aligns values to 64 bytes. */
  readonly padding?: number;
}

type Field = readonly [bytes: 2 | 4 | 8, value: number];

function fields(...list: Field[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(list.reduce((sum, [bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [bytes, value] of list) {
    if (bytes === 2) view.setUint16(at, value, true);
    else if (bytes === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

export function zipFile(
  items: readonly ZipItem[],
  { zip64 = false, comment = "", padding = 0 }: ZipLayout = {},
): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  const length = (list: Uint8Array[]) => list.reduce((sum, part) => sum + part.length, 0);
  for (const { name, bytes, deflate } of items) {
    const nameBytes = new TextEncoder().encode(name);
    const data = deflate ? deflateRawSync(bytes) : bytes;
    const method = deflate ? 8 : 0;
    const offset = length(parts);
    const wide = (value: number) => (zip64 ? 0xffffffff : value);
    const extra = zip64 ? fields([2, 1], [2, 24], [8, bytes.length], [8, data.length], [8, offset]) : new Uint8Array(0);
    parts.push(
      fields([4, 0x04034b50], [2, 45], [2, 0], [2, method], [4, 0], [4, 0], [4, data.length], [4, bytes.length]),
      fields([2, nameBytes.length], [2, padding]),
      nameBytes,
      new Uint8Array(padding),
      data,
    );
    directory.push(
      fields([4, 0x02014b50], [2, 45], [2, 45], [2, 0], [2, method], [4, 0], [4, 0], [4, wide(data.length)]),
      fields([4, wide(bytes.length)], [2, nameBytes.length], [2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0]),
      fields([4, wide(offset)]),
      nameBytes,
      extra,
    );
  }
  const start = length(parts);
  const size = length(directory);
  const count = items.length;
  const end64 = [
    fields([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count], [8, size], [8, start]),
    fields([4, 0x07064b50], [4, 0], [8, start + size], [4, 1]),
  ];
  const text = new TextEncoder().encode(comment);
  const [entries, bytes, at] = zip64 ? [0xffff, 0xffffffff, 0xffffffff] : [count, size, start];
  const end = fields(
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, entries],
    [2, entries],
    [4, bytes],
    [4, at],
    [2, text.length],
  );
  return concat([...parts, ...directory, ...(zip64 ? end64 : []), end, text]);
}
