import type { Device } from "../../engine/index.js";
import { FORWARDS } from "../contenders/engine.js";
import type { BenchRow } from "../document.js";
import { summarize } from "../statistics/summary.js";
import type { EngineContender } from "../task.js";

const PIECES = 7;
/** Launches that are timed one by one: enough for a step, and no more than a browser's query sets hold in a moment. */
const PROFILED_LAUNCHES = 4096;

/** What one call of ours is made of. Idle before and after. */
export async function detailsOf(device: Device, contender: EngineContender, calls: number): Promise<BenchRow["call"]> {
  // A backward holds what its forwards saved.
  const enqueued = contender.ready ? Math.min(calls, FORWARDS) : calls;
  const seconds: number[] = [];
  const counts = { launches: 0, ops: 0, recorded: 0 };
  for (let piece = 0; piece < PIECES; piece++) {
    contender.ready?.(enqueued);
    await device.finish();
    const before = device.counters();
    const start = performance.now();
    contender.enqueue(enqueued);
    seconds.push((performance.now() - start) / 1000 / enqueued);
    await device.finish();
    const after = device.counters();
    for (const name of ["launches", "ops", "recorded"] as const) counts[name] += after[name] - before[name];
  }
  const each = (name: keyof typeof counts) => counts[name] / PIECES / enqueued;
  const launches = each("launches");
  const profiled = Math.min(enqueued, Math.floor(PROFILED_LAUNCHES / Math.max(1, launches)));
  return {
    enqueueUs: 1e6 * summarize(seconds).median,
    deviceUs: await deviceUs(device, contender, profiled),
    launches,
    ops: each("ops"),
    recorded: each("recorded"),
  };
}

async function deviceUs(device: Device, contender: EngineContender, calls: number): Promise<number | null> {
  if (!device.canProfile) return null;
  const count = Math.max(1, calls);
  contender.ready?.(count);
  await device.finish();
  const timings = await device.profile(() => contender.enqueue(count));
  await device.finish();
  return (1000 * timings.reduce((sum, { ms }) => sum + ms, 0)) / count;
}
