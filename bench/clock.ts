import type { Taken } from "./task.js";

/** Runs `work` and tells what it took; in a page there is no processor time. */
export async function taking(work: () => Promise<unknown>): Promise<Taken> {
  const before = processor();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  return { seconds, cpuSeconds: before === null ? null : (processor() as number) - before };
}

/** Seconds that all threads of this process have run. */
function processor(): number | null {
  if (typeof process === "undefined" || !process.cpuUsage) return null;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
