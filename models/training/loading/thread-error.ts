import { FileError } from "../../../bindings/platform/file-error.js";
import * as engine from "../../../engine/index.js";

/** An error that came from a thread as a plain one, of the class that it had there; others as they are. */
export function ofItsClass(error: Error): Error {
  const own = again(error);
  // Where it was thrown.
  return own ? Object.assign(own, { stack: error.stack }) : error;
}

/** With its name and fields. */
type Plain = Error & Partial<Omit<FileError & engine.io.FileFormatError, keyof Error>>;

function again({ name, message, path = "", reason = "", notFound, file = "", what = "", advice = "" }: Plain) {
  if (name === "FileError") return new FileError(path, reason, { notFound });
  if (name === "FileFormatError") return new engine.io.FileFormatError(file, what, advice);
  const { [name]: Own } = engine as unknown as Readonly<Record<string, typeof engine.ConsiliumError>>;
  return isErrorClass(Own) ? new Own(message) : null;
}

/** The name is whatever an error says of itself: the library exports more than errors. */
const isErrorClass = (found: typeof engine.ConsiliumError | undefined) =>
  found === engine.ConsiliumError || found?.prototype instanceof engine.ConsiliumError;
