/** Tables of CSV and TSV: other cells, rows, columns, quotes and ends of lines. */
import type { Random } from "../random.js";
import { text, utf8 } from "./bytes.js";

export function mutateTable(bytes: Uint8Array, random: Random, delimiter: string): Uint8Array {
  const rows = text(bytes)
    .split(/\r?\n/)
    .filter((line) => line !== "")
    .map((line) => line.split(delimiter));
  for (let edits = 1 + random.below(3); edits > 0; edits--) {
    // The header is left alone most times.
    const row = random.chance(0.9) && rows.length > 1 ? 1 + random.below(rows.length - 1) : 0;
    const at = random.below(rows[row].length);
    const cell = rows[row][at] ?? "";
    switch (random.below(8)) {
      case 0:
      case 1:
        rows[row][at] = random.pick([...CELLS, `"${cell}"`, `"${cell}`, `${cell}"`, ` ${cell} `, cell.toUpperCase()]);
        break;
      case 2:
        rows[row].splice(at, 1);
        break;
      case 3:
        rows[row].splice(at, 0, random.pick(CELLS));
        break;
      case 4:
        rows.splice(row + 1, 0, [...rows[row]]);
        break;
      case 5:
        if (rows.length > 1) rows.splice(row, 1);
        break;
      case 6:
        rows[row] = random.pick([[""], ["", "", ""], ["\0"], [...rows[row]].reverse(), new Array(500).fill("")]);
        break;
      default:
        for (let count = 0; count < 200; count++) rows.push(rows[row]);
    }
  }
  const end = random.pick(["\n", "\n", "\r\n", "\r", "\n\n"]);
  const head = random.chance(0.1) ? random.pick(["\ufeff", "\n", " ", "#"]) : "";
  return utf8(head + rows.map((cells) => cells.join(delimiter)).join(end) + random.pick(["", end]));
}

const CELLS = [
  ...[
    "",
    " ",
    '"',
    '""',
    '"""',
    "\0",
    "yes",
    "no",
    "http://a/b.png",
    "data:image/png;base64,AAAA",
    "../../x",
    "/dev/zero",
  ],
  ...["train", "test", "validate", "nowhere", "open", "CLOSED", "🫁", "\ud800", "a\\b", "1e999", "=1+1", "'", "a;b;c"],
  ...["x".repeat(3000), '"line\nline"', '"a,b\tc"', "__proto__", "constructor", "-", "7", "\u2028", "\u202e"],
];

/** Text whose first line has the columns. */
export function hasColumns(bytes: Uint8Array, delimiter: string, columns: readonly string[]): boolean {
  try {
    const lines = new TextDecoder("utf-8", { fatal: true }).decode(bytes).split(/\r\n|\n|\r/);
    const first = (lines.find((line) => line !== "") ?? "")
      .split(delimiter)
      .map((name) => name.trim().replaceAll('"', ""));
    return columns.every((name) => first.includes(name));
  } catch {
    return false;
  }
}
