import { table } from "../../apps/report/figure.js";
import { html, type Markup, type Part } from "../../apps/report/html.js";
import type { BenchDocument, Environment } from "../document.js";
import { bytesPerSecond, flopsPerSecond } from "../row/roofline.js";
import { percent, si, time, timeRange, times } from "./quantities.js";
import { anchor, conditionOf, labelOf, type NumberedRow, ratioInterval, sameWork, timedPeers } from "./rows.js";

const NONE = "-";
/** Text that may take several lines, where numbers take one. */
const long = (text: string): Part => (text === "" || text === NONE ? text : html`<span class="long">${text}</span>`);

const maybe = <T>(value: T | null | undefined, text: (value: T) => string): string =>
  value === null || value === undefined ? NONE : text(value);

/** A table without the columns in which no row has anything. */
function filled(caption: string, columns: readonly string[], body: readonly (readonly Part[])[]): Markup {
  const kept = columns.map((_, i) => i).filter((i) => body.some((cells) => cells[i] !== NONE && cells[i] !== ""));
  const pick = <T>(cells: readonly T[]) => kept.map((i) => cells[i]);
  return table({ caption, head: pick(columns), rows: body.map(pick) });
}

/** What was measured of ours, a line a row. */
export function rowTable(caption: string, rows: readonly NumberedRow[]): Markup {
  const head = [
    ...["row", "median", "10 % to 90 %", "95 % interval", "FLOP/s", "bytes/s", "of the limit"],
    ...["peak memory", "kept for backward", "processor time, all threads", "others' load"],
  ];
  const several = new Set(rows.map(conditionOf)).size > 1;
  const body = rows.map((row) => [
    html`<span id="${anchor(row)}">${row.n}. ${labelOf(row)}</span><br><span class="quiet">${aboutRow(row, several)}</span>`,
    time(row.medianUs),
    timeRange(row.p10Us, row.p90Us),
    maybe(row.intervalUs, ([low, high]) => timeRange(low, high)),
    maybe(flopsPerSecond(row), (rate) => si(rate, "FLOP/s")),
    maybe(bytesPerSecond(row), (rate) => si(rate, "B/s")),
    maybe(row.roofline, ({ share, limit }) => `${percent(share)}, ${limit}`),
    si(row.peakBytes, "B"),
    maybe(row.savedBytes, (bytes) => si(bytes, "B")),
    maybe(row.cpu, ({ medianUs }) => time(medianUs)),
    maybe(row.othersCpu, percent),
  ]);
  return filled(caption, head, body);
}

function aboutRow(row: NumberedRow, several: boolean): string {
  const condition = several && conditionOf(row);
  const pieces = `${row.samples} pieces of ${row.calls === 1 ? "a call" : `${row.calls} calls`}`;
  const copies = (row.copies ?? 1) > 1 && `${row.copies} copies of the inputs in turn`;
  const facts = [row.name, row.set, row.routing && `routing ${row.routing}`, condition, pieces, copies];
  return facts.filter(Boolean).join(" · ");
}

const VERDICTS = { faster: "ours is faster", slower: "the peer is faster", even: "even" } as const;

/** Every peer of every row: its ratio, and how it was made; or why it is blank. */
export function peerTable(caption: string, rows: readonly NumberedRow[]): Markup {
  const head = [
    ...["row", "peer", "ratio", "95 % interval", "verdict", "median"],
    ...["processor time, all threads", "peak memory", "how, or why it is blank"],
  ];
  const body = rows.flatMap((row) =>
    Object.entries(row.peers).map(([name, peer]) => {
      const label = `${row.n}. ${labelOf(row)}`;
      if (peer.medianUs === null) return [label, name, ...head.slice(3).map(() => NONE), long(peer.reason)];
      const interval = ratioInterval(row, peer);
      return [
        label,
        name,
        times(peer.ratio),
        interval ? `${times(interval[0])} to ${times(interval[1])}` : NONE,
        sameWork(peer) ? VERDICTS[peer.ours] : "other work",
        time(peer.medianUs),
        peer.cpu && peer.cpuRatio ? `${time(peer.cpu.medianUs)}, ${times(peer.cpuRatio)}` : NONE,
        maybe(peer.peakBytes, (bytes) => si(bytes, "B")),
        long([peer.form, peer.note, peer.version].filter(Boolean).join("; ")),
      ];
    }),
  );
  return filled(caption, head, body);
}

/** Each peer over all rows that it shares with ours. */
export function summaryTable(rows: readonly NumberedRow[], { peers }: Environment): Markup {
  const names = [...new Set([...Object.keys(peers), ...rows.flatMap((row) => Object.keys(row.peers))])];
  const body = names.map((name) => {
    const timed = rows.flatMap((row) =>
      timedPeers(row)
        .filter(([other]) => other === name)
        .map(([, peer]) => peer),
    );
    const sorted = timed.map(({ ratio }) => ratio).sort((a, b) => a - b);
    const count = (verdict: keyof typeof VERDICTS) => timed.filter(({ ours }) => ours === verdict).length;
    const counts =
      timed.length > 0 && !timed.some(sameWork)
        ? ["other work", NONE, NONE]
        : [count("faster"), count("even"), count("slower")];
    const range =
      sorted.length === 0
        ? NONE
        : [...new Set([sorted[0], sorted[sorted.length >> 1], sorted[sorted.length - 1]].map(times))].join(" · ");
    return [name, `${timed.length} of ${rows.length}`, ...counts, range, long(peers[name] ?? NONE)];
  });
  const head = [
    "peer",
    "rows timed",
    "ours faster",
    "even",
    "peer faster",
    "ratio: least · middle · most",
    "version, or why it is missing",
  ];
  return table({ caption: "Peers over all rows", head, rows: body });
}

/** Where a peer that does the same work is faster, worst first; the best peer of each row. */
export function slowerTable(rows: readonly NumberedRow[]): Markup {
  const slower = rows
    .flatMap((row) => {
      const [best] = timedPeers(row)
        .filter(([, peer]) => sameWork(peer) && peer.ours === "slower")
        .sort(([, a], [, b]) => a.ratio - b.ratio);
      return best ? [{ row, name: best[0], peer: best[1] }] : [];
    })
    .sort((a, b) => a.peer.ratio - b.peer.ratio);
  if (slower.length === 0) return html`<p>In no row is a peer that does the same work faster.</p>`;
  const head = ["row", "best peer", "ratio", "theirs", "ours", "ours is limited by"];
  const body = slower.map(({ row, name, peer }) => [
    html`<a href="#${anchor(row)}">${row.n}. ${labelOf(row)}</a>`,
    peer.form ? `${name}, ${peer.form}` : name,
    times(peer.ratio),
    time(peer.medianUs),
    time(row.medianUs),
    maybe(row.roofline, ({ limit, share }) => `${limit}, at ${percent(share)}`),
  ]);
  return filled("Rows in which a peer is faster", head, body);
}

export const skippedTable = ({ skipped }: BenchDocument): Markup =>
  table({
    caption: "Rows that were not measured",
    head: ["row", "why"],
    rows: skipped.map((row) => [labelOf(row), long(row.reason)]),
  });

/** The machine and the state it was in. */
export function environmentTable(e: Environment): Markup {
  const load = (averages: readonly number[]) => averages.map((value) => value.toFixed(2)).join(", ");
  const lines: (readonly [string, string | null | undefined])[] = [
    ["device", e.device],
    ["instruction set", e.simd],
    ["processor", `${e.chip}, ${e.cores} ${e.cores === 1 ? "core" : "cores"}`],
    ["processors allowed", e.affinity],
    ["threads", String(e.threads)],
    ["memory", si(e.memoryBytes, "B")],
    ["GPU before", e.gpu?.before],
    ["GPU after", e.gpu?.after],
    ["operating system", e.os],
    ["Node.js", e.node],
    ["consilium", e.version],
    ["commit", e.commit],
    [
      "flags",
      Object.entries(e.flags)
        .map(([name, value]) => `${name}=${value}`)
        .join(" ") || "none",
    ],
    ["load before (1, 5, 15 min)", load(e.load.before)],
    ["load after", load(e.load.after)],
    ...Object.entries(e.peers).map(([name, version]) => [`peer ${name}`, version] as const),
  ];
  return table({
    caption: "Environment",
    head: ["what", "is"],
    rows: lines.flatMap(([name, value]) => (value ? [[name, long(value)]] : [])),
  });
}
