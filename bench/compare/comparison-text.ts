import { short } from "../../apps/cli/terminal/format.js";
import { table } from "../../apps/cli/terminal/table.js";
import type { BenchRow } from "../document.js";
import type { Comparison } from "./compare-documents.js";
import { hasPassed, type Judgement } from "./judgement.js";
import type { RowComparison } from "./row-comparison.js";
import type { Verdict } from "./verdict.js";

/** More would hide what moved. */
const MAX_LISTED = 10;

/** For people: what differs between the machines and programs, a table of the rows, and what it comes to. */
export function comparisonText({ rows, differences, onlyOld, onlyNew }: Comparison): string {
  const parts = [
    list(
      "Different besides the code's speed:",
      differences.map((d) => `${d.what}: ${d.old} -> ${d.new}`),
    ),
    differences.some(({ machine }) => machine)
      ? "The machine is not the same: ratios compare the machines, too.\n"
      : "",
    rows.length > 0 ? tableOf(rows) : "No row is in both documents.\n",
    list("Only in the old document:", onlyOld.map(title)),
    list("Only in the new document:", onlyNew.map(title)),
    conclusion(rows),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

/** Columns: their heads, and the cell of a row. */
type Columns = readonly (readonly [head: string, cell: (row: RowComparison) => string])[];

function columnsOf(rows: readonly RowComparison[]): Columns {
  const peers = new Set(rows.flatMap((row) => Object.keys(row.peers)));
  const movement = (name: string) => (row: RowComparison) => {
    const found = row.peers[name];
    return found ? `${found.old.toFixed(2)} -> ${found.new.toFixed(2)}` : "";
  };
  const byThreads: Columns = [["threads", (row) => String(row.new.threads)]];
  const byCpu: Columns = [
    ["time", ({ basis }) => (basis === "CPU" ? "CPU of all threads, beside other work" : "clock")],
  ];
  const unit = (basis: RowComparison["basis"]) => (basis === "CPU" ? " CPU" : "");
  return [
    ["operation", (row) => row.new.op],
    ["pass", (row) => row.new.pass],
    ["shape", (row) => shapeOf(row.new)],
    ...(new Set(rows.map((row) => row.new.threads)).size > 1 ? byThreads : []),
    ["old us", ({ oldUs, basis }) => short(oldUs) + unit(basis)],
    ["new us", ({ newUs, basis }) => short(newUs) + unit(basis)],
    ["old / new", ({ ratio }) => ratio.toFixed(3)],
    ["95 % interval", ({ interval }) => interval?.map((r) => r.toFixed(3)).join(" to ") ?? ""],
    ["verdict", ({ verdict }) => verdict],
    ...(rows.some(({ basis }) => basis === "CPU") ? byCpu : []),
    ...[...peers].map((name) => [`${name} by ours`, movement(name)] as const),
  ];
}

function tableOf(rows: readonly RowComparison[]): string {
  const columns = columnsOf(rows);
  return table([columns.map(([head]) => head), ...rows.map((row) => columns.map(([, cell]) => cell(row)))]);
}

const shapeOf = ({ shape, routing, dtype }: BenchRow) =>
  [shape, routing, dtype === "f32" ? null : dtype].filter(Boolean).join(" ");

const title = (row: BenchRow) =>
  `${row.op} ${row.pass} ${shapeOf(row)}, ${row.device}, ${row.threads} thread${row.threads > 1 ? "s" : ""}`;

function list(heading: string, lines: readonly string[]): string {
  if (lines.length === 0) return "";
  const rest = lines.length > MAX_LISTED ? [`and ${lines.length - MAX_LISTED} more`] : [];
  return `${[heading, ...[...lines.slice(0, MAX_LISTED), ...rest].map((line) => `  ${line}`)].join("\n")}\n`;
}

const MEANING: Readonly<Record<Verdict, string>> = {
  faster: "faster",
  slower: "slower",
  same: "the same (10 % would have shown)",
  unclear: "unclear: too noisy to show 10 %. Give it a longer --budget, or a quieter machine",
  "no samples": "without samples in one of the documents: the ratio alone, noise unknown",
};

/** For people: what a limit makes of the rows, and what to do about those that it cannot tell. */
export function judgementText(judgement: Judgement, below: number, { strict = false } = {}): string {
  const { slower, undecided, passed } = judgement;
  const count = slower.length + undecided.length + passed.length;
  const failed = !hasPassed(judgement, { strict });
  const names = (rows: readonly RowComparison[]) => rows.map((row) => `${title(row.new)}: ${row.ratio.toFixed(3)}`);
  const effect = strict
    ? "and --fail-unclear makes that a failure"
    : passed.length === 0
      ? "and a check of nothing has not passed"
      : "and count as passed; --fail-unclear makes them a failure";
  const parts = [
    `--fail-below ${below}: ${failed ? "failed" : "passed"}, ${passed.length} of ${count} rows are known to be no slower.\n`,
    list(`${slower.length} below ${below}:`, names(slower)),
    list(
      `${undecided.length} too noisy to tell, or without samples, ${effect}. A longer --budget or a quieter machine helps:`,
      names(undecided),
    ),
  ];
  return parts.join("");
}

function conclusion(rows: readonly RowComparison[]): string {
  const lines: string[] = [];
  for (const verdict of Object.keys(MEANING) as Verdict[]) {
    const found = rows.filter((row) => row.verdict === verdict);
    if (found.length === 0) continue;
    const moved = verdict === "faster" || verdict === "slower";
    const names = found.map((row) => `${title(row.new)}: ${row.ratio.toFixed(3)}`);
    lines.push(moved ? list(`${found.length} ${MEANING[verdict]}:`, names) : `${found.length} ${MEANING[verdict]}.\n`);
  }
  return lines.join("");
}
