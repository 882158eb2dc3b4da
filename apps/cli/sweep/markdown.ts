/** Sweeps that were kept, as tables of a text. */
import type { RowRecord } from "./record.js";
import { type summaryDocument, summaryOf, sweepCells } from "./summary.js";

/** What `sweep miss --json` wrote, and how it was made. */
export interface KeptSweep {
  readonly made: {
    readonly command: string;
    readonly commit: string;
    readonly date: string;
    /** The machine, in words. */
    readonly machine: string;
  };
  readonly tables: readonly { readonly rows: readonly ReturnType<typeof summaryDocument>[] }[];
}

const MARKED = /(<!-- sweep: ([^>]*?) -->\n)[\s\S]*?(<!-- end of sweep -->)/g;

/**
 * Fills the tables of a text from kept sweeps: what stands between `<!-- sweep: NAME | COLUMNS -->` and `<!-- end of sweep -->`. NAME is a
 * file in models/miss/results without `.json`; columns are those of the printed table, with commas between them. Every row stands there once,
 * in the order of the tables. Throws an Error that names a column that is none.
 */
export function withSweeps(text: string, read: (name: string) => KeptSweep): string {
  if (text.split("<!-- sweep:").length !== text.split("<!-- end of sweep -->").length)
    throw new Error("a table of a sweep has no end, or no beginning: <!-- sweep: ... -->, <!-- end of sweep -->");
  return text.replace(MARKED, (_, begin: string, what: string, end: string) => {
    const [name, columns] = what.split("|").map((part) => part.trim());
    if (!name || !columns) throw new Error(`sweep: "${what}" is not of the form NAME | COLUMNS.`);
    const { made, tables } = read(name);
    const [head, ...cells] = chosen(cellsOf(tables), columns);
    const lines = [head, head.map((_, i) => (i < 3 ? "---" : "--:")), ...cells];
    const commit = made.commit.replace(/^(.{7})[^-]*/, "$1");
    return `${begin}${lines.map((line) => `| ${line.join(" | ")} |\n`).join("")}
${made.machine}, ${made.date}: \`results/${name}.json\`, commit ${commit}, by
\`${made.command}\`.
${end}`;
  });
}

function cellsOf(tables: KeptSweep["tables"]): string[][] {
  const rows = new Map(tables.flatMap((table) => table.rows).map((row) => [row.row, row]));
  return sweepCells(
    [...rows.values()].map(({ row: name, seeds, ...row }) =>
      summaryOf(
        row,
        seeds.map((seed): RowRecord => ({ version: 1, row: name, ...seed })),
      ),
    ),
  );
}

function chosen([head, ...rows]: string[][], columns: string): string[][] {
  const places = columns.split(",").map((column) => {
    const place = head.indexOf(column.trim());
    if (place < 0) throw new Error(`sweep: no column "${column.trim()}". There: ${head.join(", ")}.`);
    return place;
  });
  return [head, ...rows].map((row) => places.map((place) => row[place]));
}
