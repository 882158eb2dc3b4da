import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { afterAll } from "vitest";

/** A command that runs `mounts` (shell) where no other process sees them, then the command that follows. */
export const withMounts = (mounts: string): string[] => [
  "unshare",
  "--mount",
  "sh",
  "-c",
  `set -e; ${mounts}; exec "$@"`,
  "sh",
];

/** Why this process may not mount in a namespace of its own; "" where it may (root on Linux, outside strict containers). */
export function mountsRefused(): string {
  const [command, ...args] = [...withMounts("mount -t tmpfs none /mnt"), "true"];
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  return status === 0 ? "" : `: ${error?.message ?? stderr.trim()}`;
}

/** A folder on a disk of its own, of so many bytes, that is gone after the tests of the file. */
export async function smallDisk(bytes: number): Promise<string> {
  const [command, ...args] = [...withMounts(`mount -t tmpfs -o size=${bytes} none /mnt`), "sh", "-c", "echo; exec cat"];
  // It holds the namespace until its standard input ends; others reach its files through /proc.
  const holder = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  afterAll(() => holder.stdin.end());
  await once(holder.stdout, "data");
  return `/proc/${holder.pid}/root/mnt`;
}
