import type { Report, Row } from "./campaign.js";

function total(rows: readonly Row[]): Row {
  const sum = { format: "all", header: "", files: 0, pastHeader: 0, parsed: 0, worstMilliseconds: 0, worstBytes: 0 };
  for (const row of rows) {
    sum.files += row.files;
    sum.pastHeader += row.pastHeader;
    sum.parsed += row.parsed;
    sum.worstMilliseconds = Math.max(sum.worstMilliseconds, row.worstMilliseconds);
    sum.worstBytes = Math.max(sum.worstBytes, row.worstBytes);
  }
  return sum;
}

/** Share of all files whose header was sound. */
export const sharePastHeader = ({ rows }: Report): number => {
  const { pastHeader, files } = total(rows);
  return pastHeader / files;
};

/** A line for each kind of file, and one for all. */
export function table({ rows }: Report): string {
  const lines = [...rows, total(rows)].map((row) => [
    row.format,
    `${row.files}`,
    `${((100 * row.pastHeader) / row.files).toFixed(0)} %`,
    `${row.parsed}`,
    `${row.files - row.parsed}`,
    row.worstMilliseconds.toFixed(0),
    (row.worstBytes / 1e6).toFixed(1),
  ]);
  const all = [
    ["files of", "read", "past header", "taken", "refused", "worst ms", "worst MB beyond 2 x file"],
    ...lines,
  ];
  const widths = all[0].map((_, i) => Math.max(...all.map((line) => line[i].length)));
  return all
    .map((line) => line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "))
    .join("\n");
}
