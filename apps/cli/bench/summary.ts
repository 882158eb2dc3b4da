import { isUnsteady } from "../../../bench/ceilings/index.js";
import type { BenchDocument, BenchRow, Ceiling } from "../../../bench/document.js";
import { isLoaded } from "../../../bench/machine/load.js";
import { isWide, ratioInterval } from "../../../bench/report/rows.js";
import { bytesPerSecond, flopsPerSecond } from "../../../bench/row/roofline.js";
import { bytes, percent, short } from "../terminal/format.js";
import { table } from "../terminal/table.js";

/** Rows, ceilings and what was left out, for a terminal. */
export function summary({ rows, skipped, ceilings, environment }: BenchDocument): string {
  const peers = Object.keys(environment.peers);
  const parts = [
    rows.length > 0 ? table([head(rows, peers), ...rows.map((row) => cells(row, rows, peers))]) : "",
    ...rows.map((row) => phasesText(row, rows)).filter((text) => text !== ""),
    ...blanks(rows, peers),
    ...skipped.map(({ op, pass, shape, reason }) => `skipped: ${op} ${pass} ${shape}: ${reason}`),
    ...ceilings.map(ceilingText),
    `${environment.device}. ${loadText(rows, environment)}A ratio above 1: the other library is slower; ~ where the test says even; with its 95 % interval where that is wide.`,
  ];
  return `${parts.filter((part) => part !== "").join("\n")}\n`;
}

const severalThreads = (rows: readonly BenchRow[]) => new Set(rows.map(({ threads }) => threads)).size > 1;

function head(rows: readonly BenchRow[], peers: readonly string[]): string[] {
  return [
    ...["operation", "pass", "shape"],
    ...(severalThreads(rows) ? ["threads"] : []),
    ...["us", "10 % to 90 %", "GFLOP/s", "GB/s", "of limit", "peak", "saved"],
    ...(rows.some(isLoaded) ? ["CPU us (all threads)"] : []),
    ...peers.map((name) => `${name} us (ratio)`),
  ];
}

function cells(row: BenchRow, rows: readonly BenchRow[], peers: readonly string[]): string[] {
  const { medianUs, roofline, routing, savedBytes } = row;
  const [flops, moved] = [flopsPerSecond(row), bytesPerSecond(row)];
  return [
    row.op,
    row.pass,
    routing && routing !== "balanced" ? `${row.shape} ${routing}` : row.shape,
    ...(severalThreads(rows) ? [String(row.threads)] : []),
    short(medianUs),
    `${short(row.p10Us)} to ${short(row.p90Us)}`,
    flops === null ? "" : short(flops / 1e9),
    moved === null ? "" : short(moved / 1e9),
    roofline ? `${percent(roofline.share)} ${roofline.limit}` : "",
    bytes(row.peakBytes),
    savedBytes === null || savedBytes === undefined ? "" : bytes(savedBytes),
    ...(rows.some(isLoaded) ? [row.cpu ? short(row.cpu.medianUs) : ""] : []),
    ...peers.map((name) => peerCell(row, name)),
  ];
}

/** A blank's reason stands below the table. */
function peerCell(row: BenchRow, name: string): string {
  const peer = row.peers[name];
  if (!peer || peer.medianUs === null) return "-";
  const interval = ratioInterval(row, peer);
  const ends = interval && isWide(interval) ? `, ${interval.map((end) => end.toFixed(2)).join(" to ")}` : "";
  const cpu = isLoaded(row) && peer.cpuRatio ? `, CPU ${peer.cpuRatio.toFixed(2)}` : "";
  return `${short(peer.medianUs)} (${peer.ours === "even" ? "~" : ""}${peer.ratio.toFixed(2)}${ends}${cpu})`;
}

/** Reasons of blanks, each once, with the rows where there are some without it. */
function blanks(rows: readonly BenchRow[], peers: readonly string[]): string[] {
  const where = new Map<string, string[]>();
  for (const name of peers) {
    for (const row of rows) {
      const peer = row.peers[name];
      if (!peer || peer.medianUs !== null) continue;
      const text = `${name}: ${peer.reason}`;
      where.set(text, [...(where.get(text) ?? []), `${row.op} ${row.pass} ${row.shape}`]);
    }
  }
  return [...where].map(([text, of]) => (of.length === rows.length ? text : `${text} (${of.join(", ")})`));
}

/** Shares of a layer's parts, the largest first. */
function phasesText({ op, pass, shape, threads, phases }: BenchRow, rows: readonly BenchRow[]): string {
  if (!phases) return "";
  const total = phases.reduce((sum, { us }) => sum + us, 0);
  const parts = [...phases]
    .sort((a, b) => b.us - a.us)
    .map((phase) => `${phase.pass === "backward" ? "d " : ""}${phase.phase} ${percent(phase.us / total)}`);
  const workers = severalThreads(rows) ? `, ${threads} ${threads === 1 ? "thread" : "threads"}` : "";
  return `${op} ${pass} ${shape}${workers}: ${short(total)} us in parts: ${parts.join(", ")}`;
}

function ceilingText(ceiling: Ceiling): string {
  const { device, dtype, threads, flopsPerSecond, copyBytesPerSecond, launchSeconds, drift = 0 } = ceiling;
  const unsteady = isUnsteady(ceiling)
    ? `; before and after the rows they differ by ${percent(drift)}: the machine's own speed changed, and shares of the limit are guesses`
    : "";
  const workers = device === "cpu" ? `, ${threads} ${threads === 1 ? "thread" : "threads"}` : "";
  return `ceilings of ${device} in ${dtype}${workers}: ${short(flopsPerSecond / 1e9)} GFLOP/s, copies ${short(copyBytesPerSecond / 1e9)} GB/s, a launch ${short(1e6 * launchSeconds)} us${unsteady}`;
}

function loadText(rows: readonly BenchRow[], { load }: BenchDocument["environment"]): string {
  if (rows.some(isLoaded)) {
    const most = Math.max(...rows.map(({ othersCpu }) => othersCpu ?? 0));
    return `Other work took up to ${percent(most)} of the cores: the clock's times are too long, and the processor's time tells more, but for peers whose threads spin while they wait (OpenMP's). Measure again on a quiet machine. `;
  }
  return load.before.length > 0 ? `Load before: ${load.before[0].toFixed(1)}. ` : "";
}
