/** What this process may use: the machine's memory and cores, less what its cgroups withhold (version 1 and 2). */
import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { dirname, join } from "node:path";

const ROOT = "/sys/fs/cgroup";

function readLine(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
}

/** The folders of this process's cgroup for a controller and of all its parents: a limit on any of them holds. */
function cgroupFolders(controller: string, root = ROOT, membership = readLine("/proc/self/cgroup")): string[] {
  const folders: string[] = [];
  for (const line of membership?.split("\n") ?? []) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    // Version 2 names no controllers; version 1 mounts each under its name.
    if (controllers !== "" && !controllers.split(",").includes(controller)) continue;
    const mount = controllers === "" ? root : join(root, controller);
    // In a container the path may be the host's while the mount shows only the part below: the walk up ends at the mount.
    for (let folder = join(mount, path); folder.startsWith(mount); folder = dirname(folder)) folders.push(folder);
  }
  return folders;
}

/** Bytes. */
export function memoryLimit(folders = cgroupFolders("memory")): number {
  let limit = totalmem();
  for (const folder of folders)
    for (const file of ["memory.max", "memory.limit_in_bytes"]) {
      const value = Number.parseInt(readLine(join(folder, file)) ?? "", 10);
      if (value > 0) limit = Math.min(limit, value);
    }
  return limit;
}

/** Whole cores, at least one: a quota of 1.5 cores gives 2, since threads that wait cost nothing. */
export function coreLimit(folders = cgroupFolders("cpu")): number {
  let limit = availableParallelism();
  for (const folder of folders) {
    const [quota, period] =
      readLine(join(folder, "cpu.max"))?.split(" ") ??
      ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map((file) => readLine(join(folder, file)) ?? "");
    const cores = Number.parseInt(quota, 10) / Number.parseInt(period, 10);
    if (cores > 0) limit = Math.min(limit, Math.ceil(cores));
  }
  return Math.max(1, limit);
}
