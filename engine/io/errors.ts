/** A file that is not what it should be. The message is `file: what. advice`; nothing of the file has been kept. */
export class FileFormatError extends Error {
  /** For programs that compare names. */
  override readonly name: string = "FileFormatError";
  /** The path, as it was given. */
  readonly file: string;
  /** What is wrong, and where in the file. */
  readonly what: string;
  /** What the reader of the message can do. */
  readonly advice: string;

  constructor(file: string, what: string, advice: string, options?: ErrorOptions) {
    super(`${file}: ${what}. ${advice}`, options);
    this.file = file;
    this.what = what;
    this.advice = advice;
  }
}

export const DAMAGED = "The file is damaged or was cut short: copy or download it again";
