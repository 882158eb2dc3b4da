/** A file or folder that cannot be read or written. The message is `path: reason`. */
export class FileError extends Error {
  override readonly name = "FileError";
  readonly path: string;
  /** Why, in plain words. */
  readonly reason: string;
  /** There is no such file: not that it cannot be opened or reached. */
  readonly notFound: boolean;

  constructor(
    path: string,
    reason: string,
    { notFound = false, ...options }: ErrorOptions & { notFound?: boolean } = {},
  ) {
    super(`${path}: ${reason}`, options);
    this.notFound = notFound;
    this.path = path;
    this.reason = reason;
  }
}
