import type { Device } from "../../engine/index.js";
import type { FloatDType } from "../../kernels/contract.js";
import { isGpu } from "../ceilings/sizes.js";
import type { BenchRow } from "../document.js";
import { watchOthers } from "../machine/load.js";
import type { OpenedPeer, Task } from "../task.js";
import { toleranceIn } from "./agreement.js";
import { copiesFor } from "./copies.js";
import { detailsOf } from "./details.js";
import { comparable, released, timedPeers } from "./peers.js";
import { phasesOf } from "./phases.js";
import { blank, type CheckedCase, timing } from "./results.js";
import { interleave } from "./rounds.js";
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
    const gpu = isGpu(device);
    const { blanks, results } = await comparable(task, ours, cases, { peers, copies, tolerance, gpu });
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
    const { suite, op, pass, name, shape, flops, bytes } = task;
    const { peak } = device.memory();
    const call = await detailsOf(device, ours.contender, own.calls);
    checkUnchanged(task, results, await ours.results(), tolerance);
    const timed = await timedPeers(task, cases, { results, tolerance, own, others });
    const told = peers.map(({ name }) => [name, timed[name] ?? blank(blanks.get(name) ?? "")] as const);
    return {
      ...{ suite, op, pass, name, device: device.name, dtype, shape, threads },
      ...timing(own),
      ...{ set: task.set ?? null, routing: task.routing ?? null },
      ...{ flops, bytes, peakBytes: peak - copiedBytes, savedBytes: saved, roofline: null, phases, ...load, call },
      copies,
      peers: Object.fromEntries(told),
    };
  } finally {
    for (const { found } of cases) await released(found.contender);
    await ours.contender.release();
    device.pool.trim();
  }
}
