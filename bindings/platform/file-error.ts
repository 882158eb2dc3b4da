/** A file or folder that cannot be read or written. The message is `path: reason`. */
export class FileError extends Error {
  override readonly name = "FileError";
  readonly path: string;
  /** Why, in plain words. */
  readonly reason: string;

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${path}: ${reason}`, options);
    this.path = path;
    this.reason = reason;
  }
}
