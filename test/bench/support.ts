import { afterAll, expect } from "vitest";
import { openPeers } from "../../bench/contenders/index.js";
import { differenceOf } from "../../bench/row/agreement.js";
import type { HostTensors, OpenedPeer, Peer, Task } from "../../bench/task.js";
import { type Device, openDevice } from "../../engine/index.js";
import { required } from "../support/devices.js";

/** Of the inputs, which calls take in turn. */
const COPIES = 3;

type Skip = (reason: string) => never;

/** Of packages that bench/peers does not install: they are required by their own name. */
const ELSEWHERE = ["torch", "transformers", "tfjs-node"];

/** Those that a test file has asked for: PyTorch takes seconds to start. */
const opened = new Map<string, Promise<OpenedPeer[]>>();
afterAll(async () => {
  for (const peers of opened.values()) for (const { peer } of await peers) await peer?.close();
});

interface Where {
  readonly device?: "cpu" | "webgpu";
  readonly threads?: number;
}

/** A peer that runs, until all tests of the file are done; the test is skipped where it does not open. */
export async function running(name: string, skip: Skip, { device = "cpu", threads = 1 }: Where = {}): Promise<Peer> {
  const key = `${name} ${device} ${threads}`;
  if (!opened.has(key)) opened.set(key, openPeers([name], { threads, device }));
  const [{ peer, reason }] = (await opened.get(key)) as OpenedPeer[];
  if (peer) return peer;
  if (required.has(ELSEWHERE.find((other) => name === other || name === `${other}-loop`) ?? "peers"))
    throw new Error(reason);
  return skip(reason);
}

/** Every form of a peer that runs computes what we compute, in every task; skipped where the peer does not open. */
export async function agrees(name: string, tasks: readonly Task[], skip: Skip, where: Where = {}): Promise<void> {
  const peer = await running(name, skip, where);
  const own = await openDevice(where.device ?? "cpu", { threads: 1 });
  try {
    for (const task of tasks) await compareResults(peer, task, own);
  } finally {
    own.close();
  }
}

async function compareResults(peer: Peer, task: Task, device: Device): Promise<void> {
  const ours = await task.prepare(device);
  const inputs = await ours.inputs();
  const results = await ours.results();
  const forms = await peer.prepare(task, inputs, ours.inputBytes ? COPIES : 1);
  const errors: string[] = [];
  for (const { form = "", results: theirs, error, contender } of forms) {
    const title = `${task.op} ${task.pass} ${task.shape} ${form}`;
    const found = error ? error : await theirs?.().catch(({ message }: Error) => message);
    if (typeof found === "object") {
      expect(differenceOf(found, results), title).toBeLessThanOrEqual(2 * task.tolerance);
      // Once through all copies, and from the first again.
      expect((await contender.time(COPIES + 1)).seconds, title).toBeGreaterThan(0);
      const again = await theirs?.();
      if (task.pass !== "step")
        expect(differenceOf(again ?? {}, results), title).toBeLessThanOrEqual(2 * task.tolerance);
    } else errors.push(String(found));
    await contender.release();
  }
  expect(forms.length - errors.length, `forms that run: ${errors.join("; ")}`).toBeGreaterThan(0);
  await ours.contender.release();
}

/** What peers are given. */
export async function inputsOf(task: Task): Promise<HostTensors> {
  const device = await openDevice("cpu", { threads: 1 });
  const prepared = await task.prepare(device);
  const inputs = await prepared.inputs();
  await prepared.contender.release();
  device.close();
  return inputs;
}
