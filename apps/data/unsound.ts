import { FileError } from "../../bindings/platform/file-error.js";

/** What stopped the unpacking of an archive, by the archive's name; that which names a file already stays as it is. */
export const unsound = (archive: string, kind: string, cause: unknown): FileError =>
  cause instanceof FileError
    ? cause
    : new FileError(archive, `it is no sound ${kind} (${(cause as Error).message}). Remove it and fetch it again`, {
        cause,
      });
