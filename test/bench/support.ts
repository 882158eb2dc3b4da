import { expect } from "vitest";
import { differenceOf } from "../../bench/agreement.js";
import { openPeers } from "../../bench/contenders/index.js";
import type { Peer, Task } from "../../bench/task.js";
import { type Device, openDevice } from "../../engine/index.js";
import { required } from "../support/devices.js";

/** Every form of a peer that runs computes what we compute, in every task; skipped where the peer does not open. */
export async function agrees(
  name: string,
  tasks: readonly Task[],
  skip: (reason: string) => void,
  device: "cpu" | "webgpu" = "cpu",
): Promise<void> {
  const [{ peer, reason }] = await openPeers([name], { threads: 1, device });
  if (!peer) {
    // PyTorch is no package of bench/peers.
    if (required.has(name === "torch" ? "torch" : "peers")) throw new Error(reason);
    return skip(reason);
  }
  const own = await openDevice(device, { threads: 1 });
  try {
    for (const task of tasks) await compareResults(peer, task, own);
  } finally {
    own.close();
    await peer.close();
  }
}

async function compareResults(peer: Peer, task: Task, device: Device): Promise<void> {
  const ours = await task.prepare(device);
  const inputs = await ours.inputs();
  const results = await ours.results();
  const forms = await peer.prepare(task, inputs);
  expect(forms.filter(({ error }) => !error).length, "forms that run").toBeGreaterThan(0);
  for (const { form = "", results: theirs, error, contender } of forms) {
    const title = `${task.op} ${task.pass} ${task.shape} ${form}`;
    if (!error) {
      expect(differenceOf(theirs ?? {}, results), title).toBeLessThanOrEqual(2 * task.tolerance);
      expect((await contender.time(2)).seconds, title).toBeGreaterThan(0);
    }
    await contender.release();
  }
  await ours.contender.release();
}
