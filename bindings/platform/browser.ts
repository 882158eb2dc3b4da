/** The platform in a page or a worker of one: WebGPU of the browser, files by URL or of its own storage, images as the browser decodes them. */
import { onDownload } from "./browser-downloads.js";
import { absolute, exists, openFile, readText, writeEnd, writeFile } from "./browser-files.js";
import { gpu } from "./browser-gpu.js";
import { decodeImage } from "./browser-image.js";
import type { Platform } from "./platform.js";

function native(): never {
  throw new Error("the cpu device is native code, which a page cannot load. Use webgpu, or reference, slowly");
}

function cudaKernels(): never {
  throw new Error("the cuda device is native code, which a page cannot load. Use webgpu");
}

export const platform: Platform = {
  native,
  cudaKernels,
  gpu,
  openFile,
  writeFile,
  writeEnd,
  readText,
  exists,
  listFolder: async () => null,
  absolute,
  onDownload,
  decodeImage,
  imageFault: async () => null,
  /** Of the machine, as far as the browser tells (Chromium, in steps up to 8 GiB and more); 0 where it does not. */
  get memoryLimit() {
    return ((navigator as { deviceMemory?: number }).deviceMemory ?? 0) * 2 ** 30;
  },
  get cores() {
    return navigator.hardwareConcurrency || 1;
  },
};
