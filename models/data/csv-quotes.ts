/** The quotes of CSV rows: where one opens that does not close its field, which then takes in what stands below it. */

/** A field in quotes that does not end on its line. Lines are counted from that of the row, which is 0. */
export interface OpenQuote {
  readonly opens: number;
  /** That of the next quote that is not doubled; null where there is none. */
  readonly next: number | null;
  /** Whether that one ends the field: it stands in front of a delimiter or the end of a line. */
  readonly ends: boolean;
}

const [QUOTE, LF, CR] = [0x22, 0x0a, 0x0d];
const isLineEnd = (byte: number | undefined) => byte === LF || byte === CR;

/** Of the row that `bytes` begin with the field that does not end, or the first that ends on another line; null where it has none. */
export function openQuote(bytes: Uint8Array, delimiter: string): OpenQuote | null {
  const between = delimiter.charCodeAt(0);
  let found: OpenQuote | null = null;
  let opens = 0;
  for (let at = 0; ; at++) {
    if (bytes[at] === QUOTE) {
      const next = closing(bytes, at + 1);
      if (next === null) return { opens, next, ends: false };
      const after = bytes[next + 1];
      const ends = after === undefined || after === between || isLineEnd(after);
      const line = opens + linesIn(bytes.subarray(at, next));
      if (!ends) return line > opens ? { opens, next: line, ends } : null;
      if (line > opens) found ??= { opens, next: line, ends };
      opens = line;
      at = next + 1;
    }
    while (at < bytes.length && bytes[at] !== between && !isLineEnd(bytes[at])) at++;
    if (bytes[at] !== between) return found;
  }
}

function closing(bytes: Uint8Array, from: number): number | null {
  for (let at = bytes.indexOf(QUOTE, from); at !== -1; at = bytes.indexOf(QUOTE, at + 2))
    if (bytes[at + 1] !== QUOTE) return at;
  return null;
}

function linesIn(bytes: Uint8Array): number {
  let lines = 0;
  for (const [at, byte] of bytes.entries()) if (byte === LF || (byte === CR && bytes[at + 1] !== LF)) lines++;
  return lines;
}

const IMAGE = /\.(png|jpe?g|gif|webp|tiff?|bmp|dcm)(#\d+)?"?\s*$/i;

/**
 * How many lines of a row look like rows of their own: they have a cell for each of the columns, and an image where the first line has
 * one. Text in quotes may have several lines; such ones are in it because a quote was not closed, and one further below closed it.
 */
export function rowsWithin(row: Uint8Array, delimiter: string, columns: number): number {
  const [first, ...others] = new TextDecoder()
    .decode(row)
    .trimEnd()
    .split(/[\r\n]+/);
  const images = first.split(delimiter).map((cell) => IMAGE.test(cell));
  const isRow = (line: string) => {
    const cells = line.split(delimiter);
    return cells.length === columns && cells.some((cell, i) => images[i] && IMAGE.test(cell));
  };
  return others.filter(isRow).length;
}
