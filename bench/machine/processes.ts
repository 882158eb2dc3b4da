import { namesIn, textOf } from "./system-files.js";

/** Ids of this process and of those that it, or they, started. Empty but on Linux. */
export function processTree(): number[] {
  const parents = new Map<number, number>();
  for (const name of namesIn("/proc")) {
    const [, parent] = /\) \S (\d+)/.exec(textOf(`/proc/${name}/stat`)) ?? [];
    if (parent) parents.set(Number(name), Number(parent));
  }
  const isOurs = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === process.pid || isOurs(parents.get(pid)));
  return [...parents.keys()].filter(isOurs);
}

/** Seconds that all threads of the processes started by this one have run, or by those; null but on Linux. */
export function descendantSeconds(): number | null {
  if (process.platform !== "linux") return null;
  let nanoseconds = 0;
  for (const pid of processTree()) {
    if (pid === process.pid) continue;
    for (const thread of namesIn(`/proc/${pid}/task`))
      nanoseconds += Number(textOf(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]);
  }
  return nanoseconds / 1e9;
}
