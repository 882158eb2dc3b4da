import type { BenchRow } from "../document.js";
import { cpuTimeCounts, isLoaded } from "../machine/load.js";
import { BETWEEN_RUNS } from "../statistics/interval.js";
import { ratioOf } from "./ratio.js";
import { type Verdict, verdictOf } from "./verdict.js";

/** What counts of a row: the clock, or the processor's time. */
export type Basis = "clock" | "CPU";

/** A peer beside which both rows were timed: how its ratio to ours moved, which no change of the machine explains. */
export interface PeerMovement {
  /** The peer's time by ours. */
  readonly old: number;
  /** The same in the new document. */
  readonly new: number;
}

/** One row in two documents. */
export interface RowComparison {
  /** As it was. */
  readonly old: BenchRow;
  /** As it is. */
  readonly new: BenchRow;
  /** By which of its times it is judged. */
  readonly basis: Basis;
  /** Median in microseconds as it was, of what counts. */
  readonly oldUs: number;
  /** As it is. */
  readonly newUs: number;
  /** Old by new: above 1 the new one is faster. */
  readonly ratio: number;
  /** 95 % interval of it; null without samples. */
  readonly interval: readonly [low: number, high: number] | null;
  /** Whether it moved. */
  readonly verdict: Verdict;
  /** By name, those that both rows were timed beside. */
  readonly peers: Readonly<Record<string, PeerMovement>>;
}

/**
 * A change must be larger than this to be one. Each of two runs may be off by what runs differ by. Beside other work, caches and
 * clocks are shared, too: of eight runs while others kept half to four fifths of two cores busy, the processor's time of the
 * same work was up to 20 % apart.
 */
const FLOOR = { quiet: 2 * BETWEEN_RUNS, loaded: 0.25 };

/**
 * One row in two documents of which `rows` are compared. By the clock, unless other processes were busy beside one of the two:
 * then by the processor's time, which they disturb less, where both have it and the processor does the work.
 */
export function compareRows(old: BenchRow, now: BenchRow, rows: number): RowComparison {
  const loaded = isLoaded(old) || isLoaded(now);
  const basis: Basis = old.cpu && now.cpu && (cpuTimeCounts(old) || cpuTimeCounts(now)) ? "CPU" : "clock";
  const [before, after] = [old, now].map((row) => (basis === "CPU" && row.cpu ? row.cpu : row));
  const both = {
    old,
    new: now,
    basis,
    oldUs: before.medianUs,
    newUs: after.medianUs,
    peers: movements(old, now, basis),
  };
  if (!before.samplesUs?.length || !after.samplesUs?.length)
    return { ...both, ratio: before.medianUs / after.medianUs, interval: null, verdict: "no samples" };
  const found = ratioOf(before.samplesUs, after.samplesUs);
  return { ...both, ...found, verdict: verdictOf(found, loaded ? FLOOR.loaded : FLOOR.quiet, rows) };
}

function movements(old: BenchRow, now: BenchRow, basis: Basis): Record<string, PeerMovement> {
  const found: Record<string, PeerMovement> = {};
  for (const [name, peer] of Object.entries(now.peers)) {
    const [before, after] = [ratioTo(old.peers[name], basis), ratioTo(peer, basis)];
    if (before && after) found[name] = { old: before, new: after };
  }
  return found;
}

/** Null of a blank. */
const ratioTo = (peer: BenchRow["peers"][string] | undefined, basis: Basis): number | null =>
  !peer || peer.medianUs === null ? null : basis === "CPU" ? (peer.cpuRatio ?? null) : peer.ratio;
