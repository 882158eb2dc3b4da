import type { BenchRow } from "../document.js";
import type { Contender, OpenedPeer, PeerCase, Prepared, Task } from "../task.js";
import { differenceOf } from "./agreement.js";
import { blank, type CheckedCase, peerResult } from "./results.js";
import { type Samples, trial } from "./rounds.js";
import { changeOf } from "./unchanged.js";

type Results = Readonly<Record<string, Float32Array>>;

/** How peers are made ready. */
interface Others {
  readonly peers: readonly OpenedPeer[];
  readonly copies: number;
  /** Of the largest result. */
  readonly tolerance: number;
  /** Where a GPU computes, the clock tells more than the processor's time. */
  readonly gpu: boolean;
}

/** Fills `cases` with the peers that compute what we compute; the others are `blanks`, with their reasons. */
export async function comparable(task: Task, ours: Prepared, cases: CheckedCase[], others: Others) {
  const { peers, copies } = others;
  const blanks = new Map<string, string>();
  const inputs = peers.some(({ peer }) => peer !== null) ? await ours.inputs() : {};
  const results = await ours.results();
  for (const { name, peer, reason } of peers) {
    if (!peer) {
      blanks.set(name, reason);
      continue;
    }
    try {
      cases.push({ name, peer, ...(await chosen(await peer.prepare(task, inputs, copies), results, others)) });
    } catch (error) {
      blanks.set(name, (error as Error).message);
    }
  }
  return { blanks, results };
}

/** The fastest form of those that agree with ours; the others are released. Throws where none does. */
async function chosen(
  forms: readonly PeerCase[],
  results: Results,
  { tolerance, gpu }: Others,
): Promise<Omit<CheckedCase, "name" | "peer">> {
  const agreeing: { found: PeerCase; difference: number | null }[] = [];
  const reasons = new Map<PeerCase, string>();
  let best: (typeof agreeing)[number] | undefined;
  try {
    for (const found of forms) {
      try {
        agreeing.push({ found, difference: await compared(found, results, tolerance) });
      } catch (error) {
        reasons.set(found, (error as Error).message);
      }
    }
    if (agreeing.length === 0) {
      const told = [...reasons].map(([{ form }, reason]) => (form ? `${form}: ${reason}` : reason));
      throw new Error([...new Set(told)].join("; "));
    }
    const { seconds, failures } = await trial(
      agreeing.map(({ found }) => found.contender),
      gpu,
    );
    best = agreeing[Math.max(0, seconds.indexOf(Math.min(...seconds)))];
    for (const [i, reason] of failures) reasons.set(agreeing[i].found, reason);
    const nameOf = (found: PeerCase) => found.form ?? String(forms.indexOf(found));
    const tried = seconds.map((s, i) => [nameOf(agreeing[i].found), Number((1e6 * s).toPrecision(4))] as const);
    return {
      ...best,
      forms: Object.fromEntries(tried.filter(([, us]) => Number.isFinite(us))),
      refused: Object.fromEntries([...reasons].map(([found, reason]) => [nameOf(found), reason])),
    };
  } finally {
    for (const found of forms) if (found !== best?.found) await released(found.contender);
  }
}

/** How far its results are from ours; null where it does other work on purpose. Throws where it has none, or others. */
async function compared({ error, results }: PeerCase, ours: Results, tolerance: number): Promise<number | null> {
  if (error) throw new Error(error);
  if (!results) return null;
  const difference = differenceOf(await results(), ours);
  if (difference <= tolerance) return difference;
  throw new Error(`its results differ from ours by ${difference.toExponential(1)} of the largest`);
}

/** What a row tells of peers that were timed: blanks where one failed meanwhile, or its results are others since. */
export async function timedPeers(
  task: Task,
  cases: readonly CheckedCase[],
  {
    results,
    tolerance,
    own,
    others,
  }: { results: Results; tolerance: number; own: Samples; others: readonly Samples[] },
): Promise<BenchRow["peers"]> {
  const told: BenchRow["peers"] = {};
  for (const [i, found] of cases.entries()) {
    const failure = others[i].failure ?? (await changed(task, found.found, results, tolerance));
    told[found.name] = failure === null ? peerResult(found, others[i], own) : blank(failure);
  }
  return told;
}

async function changed(task: Task, { results }: PeerCase, ours: Results, tolerance: number): Promise<string | null> {
  if (!results) return null;
  try {
    return changeOf(task, await results(), tolerance, { these: "ours", before: ours });
  } catch (error) {
    return `after it was timed: ${(error as Error).message}`;
  }
}

/** A peer whose process has ended has nothing to release. */
export const released = (contender: Contender) => Promise.resolve(contender.release()).catch(() => {});
