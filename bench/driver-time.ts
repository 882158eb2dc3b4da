/**
 * Seconds that all threads of this process but that of JavaScript have run: those of the driver and of Dawn. While work is
 * pending, Dawn in Node asks for it in every turn of the event loop, so the thread of JavaScript never rests, and what it took
 * would tell how long a kernel ran, not what it cost. Where the system does not tell threads apart (not Linux), all of them.
 */
export function driverSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6 - javascriptSeconds();
}

function javascriptSeconds(): number {
  const files = process.getBuiltinModule?.("node:fs");
  try {
    const text = files?.readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8") ?? "0";
    return Number.parseInt(text, 10) / 1e9;
  } catch {
    return 0;
  }
}
