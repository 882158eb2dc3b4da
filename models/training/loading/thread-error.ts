import { FileError } from "../../../bindings/platform/file-error.js";
import * as engineErrors from "../../../engine/errors.js";
import { FileFormatError } from "../../../engine/io/errors.js";

/** An error that came from a thread as a plain one, of the class that it had there; others as they are. */
export function ofItsClass(error: Error): Error {
  const own = again(error);
  // Where it was thrown.
  return own ? Object.assign(own, { stack: error.stack }) : error;
}

/** With its name and fields. */
type Plain = Error & Partial<Omit<FileError & FileFormatError, keyof Error>>;

function again({ name, message, path = "", reason = "", notFound, file = "", what = "", advice = "" }: Plain) {
  if (name === "FileError") return new FileError(path, reason, { notFound });
  if (name === "FileFormatError") return new FileFormatError(file, what, advice);
  const { [name]: Own } = engineErrors as unknown as Readonly<Record<string, typeof engineErrors.ConsiliumError>>;
  return Own === undefined ? null : new Own(message);
}
