/** CSV to rows of text: RFC 4180 with any mix of line ends. Its faults come with the line that the row begins on. */
import type { Info } from "csv-parse/sync";
import { io } from "../../engine/index.js";
import { type OpenQuote, openQuote, rowsWithin } from "./csv-quotes.js";
import { type Problem, placesText } from "./problem.js";

export interface TextRow {
  /** Line that the row begins on, from 1. */
  readonly line: number;
  /** Of the columns asked for, in their order; undefined where there is no such column. */
  readonly cells: readonly (string | undefined)[];
}

export interface TextRows {
  /** Names of the columns of the file, blanks around them dropped. */
  readonly header: readonly string[];
  readonly rows: readonly TextRow[];
  readonly problems: readonly Problem[];
}

/** Bytes of one row at most: a quote that is never closed must not take the rest of a file for one field. */
const LARGEST_ROW = 2 ** 20;

/** The columns `names` of a CSV text with a header. Only they are kept. Throws where the quotes do not fit. */
export async function csvRows(
  text: string,
  fileName: string,
  names: readonly string[],
  delimiter: string,
): Promise<TextRows> {
  // Loaded with the first table: a page that reads none does without.
  const { parse } = await import("#csv");
  const bytes = new TextEncoder().encode(text);
  const lines = new LineCounter(bytes);
  const rows: TextRow[] = [];
  const ragged: { line: number; fields: number }[] = [];
  const joined: Problem[] = [];
  let header: string[] | null = null;
  let columns: number[] = [];
  let end = 0;
  const onRecord = (cells: string[], { bytes: to }: Pick<Info, "bytes">) => {
    const line = lines.rowAfter(end);
    const row = bytes.subarray(lines.at, to);
    const quote = header === null ? null : openQuote(row, delimiter);
    const within = header === null || quote === null ? 0 : rowsWithin(row, delimiter, header.length);
    end = to;
    if (header === null) {
      header = cells.map((name) => name.trim());
      columns = names.map((name) => header?.indexOf(name) ?? -1);
    } else if (quote && within > 0) joined.push(joinedRows(line + quote.opens, within));
    else if (cells.length !== header.length) ragged.push({ line, fields: cells.length });
    else rows.push({ line, cells: columns.map((column) => cells[column]) });
    return null;
  };
  try {
    parse(text, {
      bom: true,
      delimiter,
      record_delimiter: ["\r\n", "\n", "\r"],
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: LARGEST_ROW,
      on_record: onRecord as never,
    });
  } catch (cause) {
    const line = lines.rowAfter(end);
    const quote = openQuote(bytes.subarray(lines.at), delimiter);
    if (quote === null || quote.ends) throw new io.FileFormatError(`${fileName}:${line}`, ...faultOf(cause), { cause });
    throw new io.FileFormatError(`${fileName}:${line + quote.opens}`, quoteFault(quote, line), CLOSE, { cause });
  }
  return { header: header ?? [], rows, problems: [...raggedRows(ragged, (header ?? []).length), ...joined] };
}

const CLOSE = 'Close it behind the text of its field; quotes inside the text are doubled: "a 5"" tube"';

const quoteFault = ({ next }: OpenQuote, line: number) =>
  next === null
    ? "the quote that opens a field in this line is never closed"
    : `the quote that opens a field in this line is not closed: the next one, in line ${line + next}, ends no field`;

const joinedRows = (line: number, within: number): Problem => ({
  kind: "ragged row",
  text: `line ${line}: the quote that opens a field takes in ${within === 1 ? "a line that looks like a row" : `${within} lines that look like rows`}`,
  advice: CLOSE,
  places: [`line ${line}`],
});

function faultOf(cause: unknown): [what: string, advice: string] {
  const code = (cause as { code?: string }).code ?? "";
  if (code === "CSV_MAX_RECORD_SIZE")
    return ["the row that begins here is longer than 1 MB", "Shorten it, or look for a quote in a wrong place"];
  if (code.endsWith("ING_QUOTE"))
    return [
      "in the row that begins here a quote stands inside a field",
      'Quote the whole field and double the quotes in it: "a 5"" tube"',
    ];
  return [`the row that begins here cannot be read (${(cause as Error).message})`, "Save the table as CSV again"];
}

function raggedRows(ragged: readonly { line: number; fields: number }[], expected: number): Problem[] {
  if (ragged.length === 0) return [];
  const places = ragged.map(({ line }) => `line ${line}`);
  const [{ fields }] = ragged;
  return [
    {
      kind: "ragged row",
      text: `${placesText(places)}: ${fields} fields${ragged.length > 1 ? " in the first of them" : ""}, the header has ${expected}`,
      advice: "Quote fields that hold commas, and write a comma for each empty field",
      places,
    },
  ];
}

/** Lines of a text by the offset of its bytes, asked in rising order. */
class LineCounter {
  readonly #bytes: Uint8Array;
  #at = 0;
  #line = 1;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The line of the first byte after `offset` that ends no line: where the next row begins. */
  rowAfter(offset: number): number {
    while (this.#at < offset) this.#step();
    const { length } = this.#bytes;
    while (this.#at < length && (this.#bytes[this.#at] === 0x0a || this.#bytes[this.#at] === 0x0d)) this.#step();
    return this.#line;
  }

  /** The byte that it has come to. */
  get at(): number {
    return this.#at;
  }

  #step(): void {
    const byte = this.#bytes[this.#at++];
    if (byte === 0x0a || (byte === 0x0d && this.#bytes[this.#at] !== 0x0a)) this.#line++;
  }
}
