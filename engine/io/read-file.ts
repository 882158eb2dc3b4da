import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import { FileFormatError } from "./errors.js";

/** Why a file could not be read, in plain words. */
export const reasonOf = (cause: unknown): string =>
  cause instanceof FileError ? cause.reason : cause instanceof Error ? cause.message : String(cause);

/**
 * The bytes of a file, which may have `largest` at most. `advice` goes into the error where it cannot be read: what the
 * file is for, and what to do.
 */
export async function readBytes(path: string, advice: string, largest = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
  try {
    const file = await platform.openFile(path);
    try {
      if (file.size > largest) throw new Error(`it has ${mb(file.size)}, at most ${mb(largest)} are read`);
      return await file.read(0, file.size);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new FileFormatError(path, reasonOf(cause), advice, { cause });
  }
}

const mb = (bytes: number) => `${(bytes / 1e6).toLocaleString("en-US", { maximumFractionDigits: 1 })} MB`;

/** The text of a file; otherwise as `readBytes`. */
export async function readText(path: string, advice: string): Promise<string> {
  return platform.readText(path).catch((cause) => {
    throw new FileFormatError(path, reasonOf(cause), advice, { cause });
  });
}
