import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import os from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { platform } from "#platform";
import type { Device } from "../../engine/index.js";
import type { Environment } from "../document.js";

/** The package's folder, from the sources as from `dist/`. */
export const root: string = (() => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const manifest = text(join(folder, "package.json"));
    if (manifest !== null && JSON.parse(manifest).name === "consilium") return folder;
    if (folder === dirname(folder)) throw new Error("bench: package.json not found above this file");
  }
})();

/** What a time depends on besides the code. `loadBefore` was taken before the first row. */
export function environment(
  device: Pick<Device, "name" | "description">,
  threads: number,
  loadBefore: readonly number[],
  peers: Readonly<Record<string, string>>,
  gpuBefore?: string,
): Environment {
  const { CONSILIUM_SIMD, NODE_OPTIONS } = process.env;
  return {
    date: new Date().toISOString(),
    version: JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version,
    commit: commitOf(root),
    chip: os.cpus()[0]?.model.trim() ?? "",
    cores: os.cpus().length,
    affinity: /^Cpus_allowed_list:\s*(.*)$/m.exec(text("/proc/self/status") ?? "")?.[1] ?? null,
    threads,
    memoryBytes: os.totalmem(),
    node: process.version,
    os: `${os.type()} ${os.release()} ${os.arch()}`,
    flags: {
      ...(process.execArgv.length > 0 && { execArgv: process.execArgv.join(" ") }),
      ...(NODE_OPTIONS && { NODE_OPTIONS }),
      ...(CONSILIUM_SIMD && { CONSILIUM_SIMD }),
    },
    load: { before: [...loadBefore], after: os.loadavg() },
    device: device.description,
    ...(gpuBefore && { gpu: { before: gpuBefore, after: gpuState() } }),
    simd: device.name === "cpu" ? platform.native().target : null,
    peers: { ...peers },
  };
}

/** What nvidia-smi tells of the GPUs: times on one carry its clocks. Empty where there is none. */
export function gpuState(): string {
  const query = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.draw,power.limit,temperature.gpu";
  try {
    const args = [`--query-gpu=${query}`, "--format=csv,noheader"];
    return execFileSync("nvidia-smi", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "";
  }
}

/** Of the working tree of a folder, "-dirty" where a file is changed that git tracks: one that it does not is used only by such a change. */
export function commitOf(folder: string): string | null {
  const git = (...args: string[]) =>
    execFileSync("git", args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    return `${git("rev-parse", "HEAD")}${git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "-dirty"}`;
  } catch {
    return null;
  }
}

function text(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
