import type { FileSource } from "../../../engine/io/file-source.js";

export interface SpySource extends FileSource {
  /** What was asked of it. */
  readonly seen: { bytes: number; largest: number; closed: number };
}

/** A file in memory that records how much of it was asked for, and refuses ranges outside. */
export function spySource(bytes: Uint8Array, name = "test.bin"): SpySource {
  return virtualSource(bytes, bytes.length, name);
}

/** A file of `size` bytes that starts with `head` and goes on with zeros: larger than memory where a test wants it. */
export function virtualSource(head: Uint8Array, size: number, name = "test.bin"): SpySource {
  const seen = { bytes: 0, largest: 0, closed: 0 };
  return {
    name,
    size,
    seen,
    async read(offset, length) {
      if (!(offset >= 0 && length >= 0 && offset + length <= size))
        throw new Error(`read ${offset}+${length} of ${size}`);
      seen.bytes += length;
      seen.largest = Math.max(seen.largest, length);
      const out = new Uint8Array(length);
      out.set(head.subarray(Math.min(offset, head.length), Math.min(offset + length, head.length)));
      return out;
    },
    async close() {
      seen.closed++;
    },
  };
}
