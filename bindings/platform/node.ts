/** The platform under Node: native addon, Dawn, files, sharp, cgroup limits. */
import { readFileSync } from "node:fs";
import { access } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { NativeAddon } from "../native/addon.js";
import { loadAddon } from "./node-addon.js";
import { findCudaKernels } from "./node-cuda-kernels.js";
import { listFolder, openFile, readText, writeEnd, writeFile } from "./node-files.js";
import { gpu } from "./node-gpu.js";
import { decodeImage, imageFault } from "./node-image.js";
import { coreLimit, memoryLimit } from "./node-limits.js";
import { startThread } from "./node-threads.js";
import type { Platform } from "./platform.js";

/** The nearest folder above this file that is the package's own: the sources' parent, or `dist/`'s. */
function packageRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    try {
      if (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).name === "consilium") return folder;
    } catch {
      // No package.json here, or one that is not JSON: look further up.
    }
    if (folder === dirname(folder)) throw new Error("consilium: package.json not found above bindings/platform");
  }
}

let addon: NativeAddon | undefined;

function native(): NativeAddon {
  addon ??= loadAddon(packageRoot());
  return addon;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

export const platform: Platform = {
  native,
  cudaKernels: () => findCudaKernels(packageRoot()),
  gpu,
  openFile,
  writeFile,
  writeEnd,
  readText,
  exists,
  listFolder,
  absolute: (path) => resolve(path),
  onDownload: () => () => {},
  decodeImage,
  imageFault,
  startThread: (module, init) => startThread(packageRoot(), module, init),
  get memoryLimit() {
    return memoryLimit();
  },
  get cores() {
    return coreLimit();
  },
};
