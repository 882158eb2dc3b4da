import { expect } from "vitest";
import { FileFormatError } from "../../../engine/io/errors.js";

/** The promise, or the call, fails with a FileFormatError that names the file, whose message matches, with advice. */
export async function expectFormatError(run: () => unknown, message: RegExp): Promise<FileFormatError> {
  const error = await Promise.resolve()
    .then(run)
    .then(
      () => null,
      (cause) => cause,
    );
  expect(error).toBeInstanceOf(FileFormatError);
  expect(error.message).toMatch(message);
  expect(error.message.startsWith(`${error.file}: ${error.what}. `)).toBe(true);
  expect(error.advice.length).toBeGreaterThan(10);
  return error;
}
