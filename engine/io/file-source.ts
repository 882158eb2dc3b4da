import type { FileSource } from "../../bindings/platform/files.js";
import { DAMAGED, FileFormatError } from "./errors.js";

export type { FileSource };

/**
 * Exactly `length` bytes at `offset`. The range is checked against the file's size first, so that a length taken from a
 * damaged file never becomes an allocation. `what` names the part in the error.
 */
export async function readRange(
  source: FileSource,
  offset: number,
  length: number,
  what: string,
  into?: Uint8Array,
): Promise<Uint8Array> {
  if (!(offset >= 0 && length >= 0 && offset + length <= source.size)) {
    const place = `bytes ${offset} to ${offset + length} of a file of ${source.size}`;
    throw new FileFormatError(source.name, `${what} should be at ${place}`, DAMAGED);
  }
  if (length === 0) return new Uint8Array(0);
  const bytes = await source.read(offset, length, into);
  if (bytes.length !== length) {
    const found = `read ${bytes.length} of ${length} bytes of ${what}`;
    throw new FileFormatError(
      source.name,
      found,
      "The file changed while it was read: close other writers and try again",
    );
  }
  return bytes;
}

/** A file that is already in memory: a fetched response, a dropped file. */
export function memoryFile(name: string, bytes: Uint8Array): FileSource {
  return {
    name,
    size: bytes.length,
    read: async (offset, length) => new Uint8Array(bytes.subarray(offset, offset + length)),
    close: async () => {},
  };
}
