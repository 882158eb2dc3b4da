/** Sweeps that were kept, as tables of a text. */
import { tuningRowName } from "../../../models/index.js";
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

const MARKED = /(<!-- sweep: (\S+) -->\n)[\s\S]*?(<!-- end of sweep -->)/g;

/**
 * Fills the tables of a text from kept sweeps: what stands between `<!-- sweep: NAME -->` and `<!-- end of sweep -->`, NAME being a file in
 * models/miss/results without `.json`. Every row once, in the order of the tables.
 */
export function withSweeps(text: string, read: (name: string) => KeptSweep): string {
  if (text.split("<!-- sweep:").length !== text.split("<!-- end of sweep -->").length)
    throw new Error("a table of a sweep has no end, or no beginning: <!-- sweep: NAME -->, <!-- end of sweep -->");
  return text.replace(MARKED, (_, begin: string, name: string, end: string) => {
    const { made, tables } = read(name);
    const rows = new Map(tables.flatMap((table) => table.rows).map((row) => [tuningRowName(row), row]));
    const summaries = [...rows.values()].map((row) =>
      summaryOf(
        row,
        row.seeds.map((seed): RowRecord => ({ version: 1, row: row.row, ...seed })),
      ),
    );
    const [head, ...cells] = sweepCells(summaries);
    const lines = [head, head.map((_, i) => (i < 3 ? "---" : "--:")), ...cells];
    const commit = made.commit.replace(/^(.{7})[^-]*/, "$1");
    return `${begin}${lines.map((line) => `| ${line.join(" | ")} |\n`).join("")}
${made.machine}, ${made.date}: \`results/${name}.json\`, commit ${commit}, by \`${made.command}\`.
${end}`;
  });
}
