import { readdirSync, readFileSync } from "node:fs";

/** Seconds that all threads of the processes started by this one have run, or by those; null but on Linux. */
export function descendantSeconds(): number | null {
  if (process.platform !== "linux") return null;
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const [, parent] = /\) \S (\d+)/.exec(text(`/proc/${name}/stat`)) ?? [];
    if (parent) parents.set(Number(name), Number(parent));
  }
  const isOurs = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === process.pid || isOurs(parent));
  };
  let nanoseconds = 0;
  for (const pid of parents.keys()) {
    if (!isOurs(pid)) continue;
    for (const thread of list(`/proc/${pid}/task`))
      nanoseconds += Number(text(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]);
  }
  return nanoseconds / 1e9;
}

/** Empty where the process has just ended. */
function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
