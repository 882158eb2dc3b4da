import { textOf } from "./system-files.js";

/**
 * Seconds that all threads of this process but that of JavaScript have run: those of the driver and of Dawn. While work is
 * pending, Dawn in Node asks for it in every turn of the event loop, so the thread of JavaScript never rests, and what it took
 * would tell how long a kernel ran, not what it cost. Where the system does not tell threads apart (not Linux), all of them.
 */
export function driverSeconds(): number {
  const { user, system } = process.cpuUsage();
  const javascript = Number.parseInt(textOf(`/proc/self/task/${process.pid}/schedstat`) || "0", 10) / 1e9;
  return (user + system) / 1e6 - javascript;
}
