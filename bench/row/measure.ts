import type { Device } from "../../engine/index.js";
import type { FloatDType } from "../../kernels/contract.js";
import type { BenchRow } from "../document.js";
import { watchOthers } from "../machine/load.js";
import type { Contender, OpenedPeer, PeerCase, Prepared, Task } from "../task.js";
import { differenceOf, toleranceIn } from "./agreement.js";
import { copiesFor } from "./copies.js";
import { detailsOf } from "./details.js";
import { phasesOf } from "./phases.js";
import { blank, type CheckedCase, peerResult, timing } from "./results.js";
import { interleave, trial } from "./rounds.js";
import { checkUnchanged } from "./unchanged.js";

/** How all rows of a document are measured; `seconds` are for this one. */
interface Conditions {
  readonly threads: number;
  /** Default f32. */
  readonly dtype?: FloatDType;
  readonly seconds: number;
  readonly signal?: AbortSignal;
}

/** One row: peers that compute what ours computes, timed in turn with it. Runs in Node and in a page. */
export async function measure(
  task: Task,
  device: Device,
  peers: readonly OpenedPeer[],
  { threads, dtype = "f32", seconds, signal }: Conditions,
): Promise<BenchRow> {
  const ours = await task.prepare(device, dtype);
  const tolerance = 2 * toleranceIn(dtype, task);
  const copies = copiesFor(device, task, ours, peers.filter(({ peer }) => peer !== null).length);
  const cases: CheckedCase[] = [];
  try {
    const { blanks, results } = await prepared(task, ours, cases, { peers, copies, tolerance });
    const { live } = device.memory();
    ours.rotate?.(copies);
    const copiedBytes = device.memory().live - live;
    const phases = await phasesOf(device, task.op, ours);
    const saved = (await ours.savedBytes?.()) ?? null;
    await device.finish();
    device.pool.resetPeak();
    const contenders = [ours.contender, ...cases.map(({ found }) => found.contender)];
    const othersCpu = watchOthers();
    const [own, ...others] = await interleave(contenders, { seconds, calls: task.calls, signal });
    const load = { othersCpu: othersCpu() };
    const found: BenchRow["peers"] = {};
    for (const { name } of peers) {
      const i = cases.findIndex((c) => c.name === name);
      found[name] = i < 0 ? blank(blanks.get(name) ?? "") : peerResult(cases[i], others[i], own);
    }
    const { suite, op, pass, name, shape, flops, bytes } = task;
    const { peak } = device.memory();
    const call = await detailsOf(device, ours.contender, own.calls);
    checkUnchanged(task, results, await ours.results(), tolerance);
    return {
      ...{ suite, op, pass, name, device: device.name, dtype, shape, threads },
      ...timing(own),
      ...{ set: task.set ?? null, routing: task.routing ?? null },
      ...{ flops, bytes, peakBytes: peak - copiedBytes, savedBytes: saved, roofline: null, phases, ...load, call },
      copies,
      peers: found,
    };
  } finally {
    for (const { found } of cases) await released(found.contender);
    await ours.contender.release();
    device.pool.trim();
  }
}

/** The fastest form of those that agree with ours; the others are released. Throws where none does. */
async function chosen(
  forms: readonly PeerCase[],
  results: Readonly<Record<string, Float32Array>>,
  tolerance: number,
): Promise<Omit<CheckedCase, "name" | "peer">> {
  const agreeing: { found: PeerCase; difference: number | null }[] = [];
  const reasons: string[] = [];
  let best: (typeof agreeing)[number] | undefined;
  try {
    for (const found of forms) {
      const difference = found.results && differenceOf(found.results, results);
      if (!found.error && (difference === null || difference <= tolerance)) {
        agreeing.push({ found, difference });
        continue;
      }
      const reason = found.error ?? `its results differ from ours by ${difference?.toExponential(1)} of the largest`;
      reasons.push(found.form ? `${found.form}: ${reason}` : reason);
    }
    if (agreeing.length === 0) throw new Error([...new Set(reasons)].join("; "));
    const seconds = await trial(agreeing.map(({ found }) => found.contender));
    best = agreeing[Math.max(0, seconds.indexOf(Math.min(...seconds)))];
    const tried = seconds.map(
      (s, i) => [agreeing[i].found.form ?? String(i), Number((1e6 * s).toPrecision(4))] as const,
    );
    return { ...best, forms: Object.fromEntries(tried) };
  } finally {
    for (const found of forms) if (found !== best?.found) await released(found.contender);
  }
}

/** A peer whose process has ended has nothing to release. */
const released = (contender: Contender) => Promise.resolve(contender.release()).catch(() => {});

/** How peers are made ready. */
interface Others {
  readonly peers: readonly OpenedPeer[];
  readonly copies: number;
  readonly tolerance: number;
}

/** Fills `cases` with the peers that compute what we compute; the others with their reasons. */
async function prepared(task: Task, ours: Prepared, cases: CheckedCase[], { peers, copies, tolerance }: Others) {
  const blanks = new Map<string, string>();
  const inputs = peers.some(({ peer }) => peer !== null) ? await ours.inputs() : {};
  const results = await ours.results();
  for (const { name, peer, reason } of peers) {
    if (!peer) {
      blanks.set(name, reason);
      continue;
    }
    try {
      cases.push({ name, peer, ...(await chosen(await peer.prepare(task, inputs, copies), results, tolerance)) });
    } catch (error) {
      blanks.set(name, (error as Error).message);
    }
  }
  return { blanks, results };
}
