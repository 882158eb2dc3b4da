/** JSON lines to rows of text, with the same result as CSV. */
import { io } from "../../engine/index.js";
import type { TextRow, TextRows } from "./csv.js";
import { type Problem, placesText } from "./problem.js";

const FORM = 'A line is one object: {"image": "a.png", "question": "...", "answer": "..."}';

/** The keys `names` of each line's object; a row with another kind of value in one of them is left out. */
export function jsonRows(text: string, fileName: string, names: readonly string[]): TextRows {
  const header = new Set<string>();
  const rows: TextRow[] = [];
  const faults = new Map<string, { places: string[]; advice: string }>();
  const fault = (what: string, line: number, advice = FORM) => {
    const found = faults.get(what) ?? { places: [], advice };
    found.places.push(`line ${line}`);
    faults.set(what, found);
  };
  for (const { line, lineText } of linesOf(text)) {
    const value = parsed(lineText, fileName, line, fault);
    if (value === undefined) continue;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      fault("not an object", line);
      continue;
    }
    for (const key of Object.keys(value)) header.add(key);
    const cells = names.map((name) => cellOf(Object.hasOwn(value, name) ? (value as never)[name] : null));
    let sound = true;
    for (const [i, name] of names.entries()) {
      if (cells[i] !== null) continue;
      sound = false;
      if (typeof (value as never)[name] === "number")
        fault(`"${name}" is a number too large for its digits to be kept`, line, `Write it as text: "${name}": "..."`);
      else fault(`"${name}" is neither text nor a number`, line);
    }
    if (sound) rows.push({ line, cells: cells as string[] });
  }
  const problems = [...faults].map(
    ([what, { places, advice }]): Problem => ({
      kind: "bad value",
      text: `${placesText(places)}: ${what}`,
      advice,
      places,
    }),
  );
  const known = names.map((name) => header.has(name));
  const only = ({ line, cells }: TextRow) => ({ line, cells: cells.map((cell, i) => (known[i] ? cell : undefined)) });
  return { header: [...header], rows: rows.map(only), problems };
}

/** Lines that are not blank, one at a time. */
export function* linesOf(text: string): Generator<{ line: number; lineText: string }> {
  let from = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  for (let line = 1; from < text.length; line++) {
    const next = text.indexOf("\n", from);
    const end = next === -1 ? text.length : next;
    const lineText = text.slice(from, end);
    if (lineText.trim() !== "") yield { line, lineText };
    from = end + 1;
  }
}

function parsed(
  lineText: string,
  fileName: string,
  line: number,
  fault: (what: string, line: number, advice: string) => void,
): unknown {
  try {
    return io.parseJson(lineText, fileName, { firstLine: line });
  } catch (error) {
    if (!(error instanceof io.FileFormatError)) throw error;
    fault(error.what, line, error.advice);
    return undefined;
  }
}

/** Text as it is, a number as its text, nothing as "", null for what cannot be a cell: also an integer that was rounded. */
function cellOf(value: unknown): string | null {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? String(value) : null;
  return typeof value === "string" ? value : null;
}
