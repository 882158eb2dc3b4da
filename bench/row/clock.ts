import { driverSeconds } from "../machine/driver-time.js";
import type { Taken } from "../task.js";

/** In a page: what its driver (tools/in-chromium.ts) tells of the browser's processes. */
interface Driven {
  readonly processorSeconds?: () => Promise<number | null>;
}

/** Runs `work` and tells what it took. */
export async function taking(work: () => Promise<unknown>): Promise<Taken> {
  const before = await processor();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const after = await processor();
  // A GPU's driver may rest all the while; the two counters then differ by their rounding.
  return { seconds, cpuSeconds: before === null || after === null || after <= before ? null : after - before };
}

/** Seconds that the driver's threads, or all of a browser, have run; null where nobody can tell. */
async function processor(): Promise<number | null> {
  if (typeof process === "undefined" || !process.cpuUsage)
    return (await (globalThis as Driven).processorSeconds?.()) ?? null;
  return driverSeconds();
}
