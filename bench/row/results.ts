import type { BenchRow, MissingPeer } from "../document.js";
import { medianInterval } from "../statistics/interval.js";
import { compare } from "../statistics/mann-whitney.js";
import { summarize } from "../statistics/summary.js";
import type { Peer, PeerCase } from "../task.js";
import type { Samples } from "./rounds.js";

/** A peer that computes what ours computes, within `difference`; null where it does other work on purpose. */
export interface CheckedCase {
  readonly name: string;
  readonly peer: Pick<Peer, "version">;
  readonly found: PeerCase;
  readonly difference: number | null;
  /** Microseconds of each of its forms in the trial that chose; none where there was no choice. */
  readonly forms: Readonly<Record<string, number>>;
  /** Why others of its forms were not among them. */
  readonly refused: Readonly<Record<string, string>>;
}

export const blank = (reason: string): MissingPeer => ({ medianUs: null, ratio: null, reason });

export function timing({ seconds, cpuSeconds, calls }: Samples) {
  const cpu = cpuSeconds.length > 0 ? { cpu: microseconds(cpuSeconds) } : {};
  return { ...microseconds(seconds), ...cpu, samples: seconds.length, calls };
}

function microseconds(seconds: readonly number[]) {
  const { median, p10, p90 } = summarize(seconds);
  const [low, high] = medianInterval(seconds);
  return {
    ...{ medianUs: 1e6 * median, p10Us: 1e6 * p10, p90Us: 1e6 * p90 },
    intervalUs: [rounded(1e6 * low), rounded(1e6 * high)] as [number, number],
    samplesUs: seconds.map((s) => rounded(1e6 * s)),
  };
}

/** As many digits as a clock gives. */
const rounded = (value: number) => Number(value.toPrecision(6));

/** What a row says about a peer that was timed. */
export function peerResult(
  { peer, found, difference, forms, refused }: CheckedCase,
  theirs: Samples,
  ours: Samples,
): BenchRow["peers"][string] {
  return {
    ...timing(theirs),
    version: peer.version,
    ratio: summarize(theirs.seconds).median / summarize(ours.seconds).median,
    ...(theirs.cpuSeconds.length > 0 &&
      ours.cpuSeconds.length > 0 && {
        cpuRatio: summarize(theirs.cpuSeconds).median / summarize(ours.cpuSeconds).median,
      }),
    ours: compare(ours.seconds, theirs.seconds),
    difference,
    ...(found.peakBytes?.() && { peakBytes: found.peakBytes() as number }),
    ...(found.form && { form: found.form }),
    ...(Object.keys(forms).length > 0 && { forms }),
    ...(Object.keys(refused).length > 0 && { refused }),
    ...(found.note && { note: found.note }),
  };
}
