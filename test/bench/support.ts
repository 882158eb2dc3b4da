import { expect } from "vitest";
import { differenceOf } from "../../bench/agreement.js";
import { openPeers } from "../../bench/contenders/index.js";
import type { Peer, Task } from "../../bench/task.js";
import { type Device, openDevice } from "../../engine/index.js";

/** A peer computes what we compute, in every task; skipped with its reason where it does not open. */
export async function agrees(name: string, tasks: readonly Task[], skip: (reason: string) => void): Promise<void> {
  const [{ peer, reason }] = await openPeers([name], 1);
  if (!peer) return skip(reason);
  const device = await openDevice("cpu", { threads: 1 });
  try {
    for (const task of tasks) await compareResults(peer, task, device);
  } finally {
    device.close();
    await peer.close();
  }
}

async function compareResults(peer: Peer, task: Task, device: Device): Promise<void> {
  const title = `${task.op} ${task.pass} ${task.shape}`;
  const ours = await task.prepare(device);
  const inputs = await ours.inputs();
  const results = await ours.results();
  const theirs = await peer.prepare(task, inputs);
  expect(differenceOf(theirs.results ?? {}, results), title).toBeLessThanOrEqual(2 * task.tolerance);
  expect(await theirs.contender.time(2), title).toBeGreaterThan(0);
  await theirs.contender.release();
  await ours.contender.release();
}
