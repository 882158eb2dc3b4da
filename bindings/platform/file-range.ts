/** What every source of a file refuses. Throws RangeError for bytes beyond its end. */
export function checkRange(path: string, size: number, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= size))
    throw new RangeError(`${path}: bytes ${offset} to ${offset + length} asked for, the file has ${size}`);
}
