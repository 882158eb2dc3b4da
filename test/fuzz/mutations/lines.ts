import type { Random } from "../random.js";
import { text, utf8 } from "./bytes.js";

/** Text files of one thing a line: lines changed, dropped, repeated, swapped. */
export function mutateLines(bytes: Uint8Array, random: Random): Uint8Array {
  const lines = text(bytes).split("\n");
  for (let edits = 1 + random.below(3); edits > 0; edits--) {
    const at = random.below(lines.length);
    const other = random.below(lines.length);
    switch (random.below(6)) {
      case 0:
        lines.splice(at, 1);
        break;
      case 1:
        lines.splice(at, 0, lines[other]);
        break;
      case 2:
        [lines[at], lines[other]] = [lines[other], lines[at]];
        break;
      case 3:
        lines[at] = random.pick([
          "",
          " ",
          "a b c",
          "\0",
          "🫁",
          "#version: 0.2",
          "x".repeat(5000),
          "\ufeff",
          "[DEC]",
          "##",
        ]);
        break;
      case 4:
        lines[at] = `${lines[at]}${random.pick([" ", "x", "\r", "\t", "é", " a"])}`;
        break;
      default:
        lines.splice(at, random.below(lines.length));
    }
    if (lines.length === 0) lines.push("");
  }
  return utf8(lines.join("\n"));
}
