/** Memory of this process, as the system counts it: Linux keeps the most that was resident, and lets it be set back. */
import { readFileSync, writeFileSync } from "node:fs";

const status = (field: string): number => {
  const [, kilobytes] =
    new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(kilobytes) * 1024;
};

/** Whether the most that was resident can be had of each piece of work. */
export const isMeasured = process.platform === "linux";

/** Starts to watch. What it returns gives the bytes since then: pages that were touched, and array buffers, touched or not. */
export function watchMemory(): () => number {
  if (!isMeasured) return () => 0;
  writeFileSync("/proc/self/clear_refs", "5");
  const [resident, buffers] = [status("VmRSS"), process.memoryUsage().arrayBuffers];
  return () => Math.max(status("VmHWM") - resident, process.memoryUsage().arrayBuffers - buffers, 0);
}
