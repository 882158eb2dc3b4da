import type { BenchDocument, BenchRow } from "../document.js";
import { bytesPerSecond, flopsPerSecond } from "../row/roofline.js";
import { si, time, times } from "./quantities.js";
import { labelOf, sameWork } from "./rows.js";

/** What a table reads of a document; documents of version 1 have it, too. */
export type Measured = Pick<BenchDocument, "environment" | "rows">;

const NONE = "-";
const maybe = <T>(value: T | null | undefined, text: (value: T) => string): string =>
  value === null || value === undefined ? NONE : text(value);

/** Columns by their heads; every other head is the name of a peer. */
const COLUMNS: Readonly<Record<string, (row: BenchRow) => string>> = {
  median: (row) => time(row.medianUs),
  "FLOP/s": (row) => maybe(flopsPerSecond(row), (rate) => si(rate, "FLOP/s")),
  "bytes/s": (row) => maybe(bytesPerSecond(row), (rate) => si(rate, "B/s")),
  "device time": (row) => maybe(row.call?.deviceUs, time),
  "processor time": (row) => maybe(row.cpu?.medianUs, time),
  "of the limit": (row) => maybe(row.roofline, ({ share, limit }) => `${(100 * share).toFixed(0)} % (${limit})`),
  "peak memory": (row) => si(row.peakBytes, "B"),
  "kept for backward": (row) => maybe(row.savedBytes, (bytes) => si(bytes, "B")),
};

/** Behind a peer's name: its ratio by the processor's time instead of the clock's. */
const BY_CPU = " by processor time";
/** Between a peer's name and one of its forms: the ratio of that form in the trial that chose one. */
const AS = " as ";

const MARKED = /(<!-- results: ([^>]*?) -->\n)[\s\S]*?(<!-- end of results -->)/g;

/**
 * Fills the tables of a text from documents: what stands between `<!-- results: NAMES | COLUMNS | ROWS -->` and
 * `<!-- end of results -->`. Names are of files in bench/results without `.json`, with blanks between them. Columns and rows
 * have commas between them; a row is chosen by words of its label (`forward 512x512x512`), all rows are where none is.
 * Throws an Error that names a column or row that no document has.
 */
export function withTables(text: string, read: (name: string) => Measured): string {
  if (text.split("<!-- results:").length !== text.split("<!-- end of results -->").length)
    throw new Error("a table of results has no end, or no beginning: <!-- results: ... -->, <!-- end of results -->");
  return text.replace(MARKED, (_, begin: string, what: string, end: string) => {
    const [names, columns, rows = ""] = what.split("|").map((part) => part.trim());
    if (!names || !columns) throw new Error(`results: "${what}" is not of the form NAMES | COLUMNS | ROWS.`);
    const documents = names.split(/\s+/).map((name) => ({ name, document: read(name) }));
    return `${begin}${table(documents, words(columns), words(rows))}${end}`;
  });
}

const words = (list: string) =>
  list
    .split(",")
    .map((word) => word.trim())
    .filter(Boolean);

interface Named {
  readonly name: string;
  readonly document: Measured;
}

function table(documents: readonly Named[], columns: readonly string[], chosen: readonly string[]): string {
  const all = documents.flatMap(({ document }) => document.rows);
  for (const selector of chosen)
    if (!all.some((row) => isChosen(row, selector)))
      throw new Error(
        `results: no row "${selector}" in ${documents.map(({ name }) => name).join(", ")}. There: ${[...new Set(all.map(labelOf))].join(", ")}.`,
      );
  const rows = all.filter((row) => chosen.length === 0 || chosen.some((selector) => isChosen(row, selector)));
  const condition = differing(rows);
  const cells = columns.map((column) => cellsOf(column, all));
  const lines = [
    ["row", ...columns],
    ["---", ...columns.map(() => "---")],
    ...rows.map((row) => [
      [`${row.op} ${row.pass} \`${row.shape}\``, ...condition(row)].join(", "),
      ...cells.map((cell) => cell(row)),
    ]),
  ];
  const table = lines.map((line) => `| ${line.map(escaped).join(" | ")} |\n`).join("");
  return `${table}\n${origin(documents)}\n`;
}

/** What a row is measured under, as far as the rows differ in it. */
function differing(rows: readonly BenchRow[]): (row: BenchRow) => string[] {
  const parts: readonly ((row: BenchRow) => string)[] = [
    ({ routing }) => routing ?? "",
    ({ device }) => device,
    ({ dtype }) => dtype,
    ({ threads }) => `${threads} ${threads === 1 ? "thread" : "threads"}`,
  ];
  const kept = parts.filter((part) => new Set(rows.map(part)).size > 1);
  return (row) => kept.map((part) => part(row)).filter(Boolean);
}

/** All its words are words of the row's label. */
function isChosen(row: BenchRow, selector: string): boolean {
  const label = labelOf(row).split(" ");
  return selector.split(/\s+/).every((word) => label.includes(word));
}

function cellsOf(column: string, rows: readonly BenchRow[]): (row: BenchRow) => string {
  if (Object.hasOwn(COLUMNS, column)) return COLUMNS[column];
  const [name, form] = column.endsWith(BY_CPU) ? [column.slice(0, -BY_CPU.length)] : column.split(AS);
  const peers = [...new Set(rows.flatMap((row) => Object.keys(row.peers)))];
  if (!peers.includes(name)) {
    const known = [...Object.keys(COLUMNS), ...peers].join(", ");
    throw new Error(
      `results: no column "${column}". There: ${known}; behind a peer "${BY_CPU.trim()}", or "${AS.trim()}" and a form.`,
    );
  }
  return ({ medianUs, peers: { [name]: peer } }) => {
    if (!peer || peer.medianUs === null) return NONE;
    if (form !== undefined) return maybe(peer.forms?.[form], (us) => times(us / medianUs));
    if (column !== name) return maybe(peer.cpuRatio, times);
    const unclear = sameWork(peer) && peer.ours === "even" ? "≈ " : "";
    return `${unclear}${times(peer.ratio)}${peer.form ? ` (${peer.form})` : ""}`;
  };
}

/** Where it was measured, in which files, at which commits. */
function origin(documents: readonly Named[]): string {
  const distinct = (values: readonly string[]) => [...new Set(values)];
  const devices = distinct(documents.map(({ document }) => document.environment.device)).join("; ");
  const files = documents.map(({ name }) => `\`results/${name}.json\``).join(", ");
  const commits = distinct(
    documents.map(({ document }) => document.environment.commit?.replace(/^(.{7})[^-]*/, "$1") ?? "none"),
  );
  return `${devices}: ${files}; ${commits.length === 1 ? "commit" : "commits"} ${commits.join(", ")}.`;
}

const escaped = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
