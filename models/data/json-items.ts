/** The items of a JSON array or of JSON lines, each with its place: one that is no JSON does not hide the others. */
import { io } from "../../engine/index.js";
import { linesOf } from "./json-rows.js";

export interface Item {
  /** `item 3` of an array, counted from 1, or `line 3`. */
  readonly place: string;
  /** Line that it begins on, from 1; absent in an array. */
  readonly line?: number;
  readonly value?: unknown;
  /** A line that is no JSON. */
  readonly error?: io.FileFormatError;
}

/**
 * The items of a file. `prefix` stands in front of each place, `form` is how such a file looks. Throws FileFormatError where there
 * are none.
 */
export function itemsOf(text: string, fileName: string, form: string, prefix = ""): Item[] {
  const start = text.trimStart();
  const isLines = start.startsWith("{") || start.startsWith("\ufeff{");
  const parsed: Item[] = isLines
    ? [...linesOf(text)].map(({ line, lineText }) => ({
        place: `${prefix}line ${line}`,
        line,
        ...jsonOf(lineText, fileName, line),
      }))
    : arrayOf(io.parseJson(text, fileName), fileName, form).map((value, i) => ({
        place: `${prefix}item ${i + 1}`,
        value,
      }));
  if (parsed.length === 0) throw new io.FileFormatError(fileName, "it is empty", form);
  return parsed;
}

function jsonOf(lineText: string, fileName: string, line: number): Pick<Item, "value" | "error"> {
  try {
    return { value: io.parseJson(lineText, fileName, { firstLine: line }) };
  } catch (error) {
    if (error instanceof io.FileFormatError) return { error };
    throw error;
  }
}

function arrayOf(value: unknown, fileName: string, form: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw new io.FileFormatError(fileName, "it is neither a JSON array nor JSON lines", form);
}
