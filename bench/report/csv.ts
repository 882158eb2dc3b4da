import type { BenchDocument, BenchRow, Ceiling, MissingPeer, SkippedRow, TimedPeer } from "../document.js";
import { bytesPerSecond, flopsPerSecond } from "../row/roofline.js";
import { conditionOf, numbered, ratioInterval } from "./rows.js";

type Value = string | number | null | undefined;

interface Line {
  readonly document: BenchDocument;
  /** One that was skipped has no more than its name and reason. */
  readonly row: BenchRow | SkippedRow;
  readonly name?: string;
  readonly peer?: TimedPeer | MissingPeer;
}

const measured = ({ row }: Line): BenchRow | null => ("medianUs" in row ? row : null);
const timed = ({ peer }: Line): TimedPeer | null => (peer && peer.medianUs !== null ? peer : null);

/** Of a row that was measured. */
const ofRow =
  (value: (row: BenchRow) => Value) =>
  (line: Line): Value => {
    const row = measured(line);
    return row && value(row);
  };

/** Of a peer that was timed. */
const ofPeer =
  (value: (peer: TimedPeer, row: BenchRow) => Value) =>
  (line: Line): Value => {
    const [peer, row] = [timed(line), measured(line)];
    return peer && row && value(peer, row);
  };

/** Of what the device reached, in the row's storage type and with its threads. */
const ofCeiling =
  (value: (ceiling: Ceiling) => Value) =>
  (line: Line): Value => {
    const row = measured(line);
    const found = row && line.document.ceilings.find((ceiling) => conditionOf(ceiling) === conditionOf(row));
    return found && value(found);
  };

/** Units stand in the names; times are of one call. */
const COLUMNS: Readonly<Record<string, (line: Line) => Value>> = {
  suite: ({ row }) => row.suite,
  op: ({ row }) => row.op,
  pass: ({ row }) => row.pass,
  shape: ({ row }) => row.shape,
  name: ofRow((row) => row.name),
  set: ofRow((row) => row.set),
  routing: ofRow((row) => row.routing),
  device: ofRow((row) => row.device),
  dtype: ofRow((row) => row.dtype),
  threads: ofRow((row) => row.threads),
  median_us: ofRow((row) => row.medianUs),
  p10_us: ofRow((row) => row.p10Us),
  p90_us: ofRow((row) => row.p90Us),
  interval_low_us: ofRow((row) => row.intervalUs?.[0]),
  interval_high_us: ofRow((row) => row.intervalUs?.[1]),
  cpu_median_us: ofRow((row) => row.cpu?.medianUs),
  samples: ofRow((row) => row.samples),
  calls_a_sample: ofRow((row) => row.calls),
  copies_of_inputs: ofRow((row) => row.copies),
  flops: ofRow((row) => row.flops),
  bytes: ofRow((row) => row.bytes),
  flops_per_second: ofRow(flopsPerSecond),
  bytes_per_second: ofRow(bytesPerSecond),
  limited_by: ofRow((row) => row.roofline?.limit),
  limit_us: ofRow((row) => row.roofline?.limitUs),
  share_of_limit: ofRow((row) => row.roofline?.share),
  ceiling_flops_per_second: ofCeiling((ceiling) => ceiling.flopsPerSecond),
  ceiling_copy_bytes_per_second: ofCeiling((ceiling) => ceiling.copyBytesPerSecond),
  ceiling_launch_us: ofCeiling((ceiling) => 1e6 * ceiling.launchSeconds),
  peak_bytes: ofRow((row) => row.peakBytes),
  saved_bytes: ofRow((row) => row.savedBytes),
  others_cpu_share: ofRow((row) => row.othersCpu),
  enqueue_us: ofRow((row) => row.call?.enqueueUs),
  device_us: ofRow((row) => row.call?.deviceUs),
  launches: ofRow((row) => row.call?.launches),
  peer: ({ name }) => name,
  ratio: ofPeer((peer) => peer.ratio),
  ratio_low: ofPeer((peer, row) => ratioInterval(row, peer)?.[0]),
  ratio_high: ofPeer((peer, row) => ratioInterval(row, peer)?.[1]),
  cpu_ratio: ofPeer((peer) => peer.cpuRatio),
  ours_is: ofPeer((peer) => peer.ours),
  peer_median_us: ofPeer((peer) => peer.medianUs),
  peer_p10_us: ofPeer((peer) => peer.p10Us),
  peer_p90_us: ofPeer((peer) => peer.p90Us),
  peer_interval_low_us: ofPeer((peer) => peer.intervalUs?.[0]),
  peer_interval_high_us: ofPeer((peer) => peer.intervalUs?.[1]),
  peer_cpu_median_us: ofPeer((peer) => peer.cpu?.medianUs),
  peer_peak_bytes: ofPeer((peer) => peer.peakBytes),
  difference: ofPeer((peer) => peer.difference),
  form: ofPeer((peer) => peer.form),
  note: ofPeer((peer) => peer.note),
  peer_version: ofPeer((peer) => peer.version),
  missing_because: ({ row, peer }) => ("reason" in row ? row.reason : peer && "reason" in peer ? peer.reason : null),
  date: ({ document }) => document.environment.date,
  chip: ({ document }) => document.environment.chip,
  device_name: ({ document }) => document.environment.device,
  version: ({ document }) => document.environment.version,
  commit: ({ document }) => document.environment.commit,
};

/**
 * A document as CSV (RFC 4180): a line for each peer of each row, one for a row without peers and for one that was skipped.
 * Numbers have all their digits. Text that a spreadsheet would run as a formula has an apostrophe before it.
 */
export function csvOf(document: BenchDocument): string {
  const lines: Line[] = [
    ...numbered(document).flatMap((row): Line[] => {
      const peers = Object.entries(row.peers);
      return peers.length === 0 ? [{ document, row }] : peers.map(([name, peer]) => ({ document, row, name, peer }));
    }),
    ...document.skipped.map((row) => ({ document, row })),
  ];
  const columns = Object.values(COLUMNS);
  const texts = [Object.keys(COLUMNS), ...lines.map((line) => columns.map((value) => cell(value(line))))];
  return texts.map((cells) => `${cells.join(",")}\r\n`).join("");
}

function cell(value: Value): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n']/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
