import { spawnSync } from "node:child_process";

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
