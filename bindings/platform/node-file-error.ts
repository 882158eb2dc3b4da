import { FileError } from "./file-error.js";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EISDIR: "it is a folder, not a file",
  ENOTDIR: "a part of its path is a file, not a folder",
  EACCES: "this user may not (permission denied)",
  EPERM: "this user may not (operation not permitted)",
  EROFS: "the file system is read-only",
  EMFILE: "too many files are open",
  ENAMETOOLONG: "its name is too long",
  ENOSPC: "the disk is full. Make room and try again",
  EDQUOT: "this user's share of the disk is full. Make room and try again",
};

/** What Node says about a file, in plain words. */
export function fileError(path: string, cause: unknown): FileError {
  if (cause instanceof FileError) return cause;
  const { code = "", message = String(cause) } = cause as NodeJS.ErrnoException;
  return new FileError(path, REASONS[code] ?? message, { cause, notFound: code === "ENOENT" || code === "ENOTDIR" });
}

/** `work`, whose errors become those of the file at `path`. */
export const onFile = <T>(path: string, work: Promise<T>): Promise<T> =>
  work.catch((cause) => {
    throw fileError(path, cause);
  });
