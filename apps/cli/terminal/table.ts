/** A plain table: columns as wide as their widest cell, numbers to the right. The first row is the head. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, c) => Math.max(...rows.map((row) => (row[c] ?? "").length)));
  const rightAligned = widths.map((_, c) => rows.slice(1).every((row) => /^$|^[-+]?[\d.,]+|^-$/.test(row[c] ?? "")));
  const lines = rows.map((row) =>
    widths
      .map((width, c) => (rightAligned[c] ? (row[c] ?? "").padStart(width) : (row[c] ?? "").padEnd(width)))
      .join("  ")
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return `${lines.join("\n")}\n`;
}
