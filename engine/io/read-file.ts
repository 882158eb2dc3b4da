import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import { FileFormatError } from "./errors.js";

/** Why a file could not be read, in plain words. */
export const reasonOf = (cause: unknown): string =>
  cause instanceof FileError ? cause.reason : cause instanceof Error ? cause.message : String(cause);

/** The bytes of a file. `advice` goes into the error where it cannot be read: what the file is for, and what to do. */
export async function readBytes(path: string, advice: string): Promise<Uint8Array> {
  try {
    const file = await platform.openFile(path);
    try {
      return await file.read(0, file.size);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new FileFormatError(path, reasonOf(cause), advice, { cause });
  }
}

/** The text of a file; otherwise as `readBytes`. */
export async function readText(path: string, advice: string): Promise<string> {
  return platform.readText(path).catch((cause) => {
    throw new FileFormatError(path, reasonOf(cause), advice, { cause });
  });
}
