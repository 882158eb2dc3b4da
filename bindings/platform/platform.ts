/**
 * What the engine and the models need from the world around them. `#platform` resolves to node.ts in Node and to
 * browser.ts in a page, so that engine/, models/ and bindings/webgpu/ import no `node:` module.
 */
import type { NativeAddon } from "../native/addon.js";
import type { CudaKernels } from "../native/cuda/kernels.js";
import type { Download, FileSource } from "./files.js";
import type { Thread } from "./threads.js";

/** Pixels. */
export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue, 8 bits each, row by row. */
  readonly rgb: Uint8Array;
}

export interface Platform {
  /** Loads the native addon; throws with what to do where it is not built. */
  native(): NativeAddon;
  /** The compiled CUDA kernels; throws with what to do where there are none, or they are of other sources. */
  cudaKernels(): CudaKernels;
  /**
   * The WebGPU entry point: Dawn in Node, the page's own in a browser. Rejects, with what to do, where no adapter can be
   * there: none at all, or none but software ones unless `software` is set.
   */
  gpu(software: boolean, experimental?: boolean): Promise<GPU>;
  /** This and the next two reject with FileError: which file, and why not, in plain words. */
  openFile(path: string): Promise<FileSource>;
  readText(path: string): Promise<string>;
  /** Writes to a temporary file beside it, flushes, then renames: a reader sees the old file or the new one. */
  writeFile(path: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>;
  /**
   * For files that grow: cuts one to its first `offset` bytes and writes `bytes` behind them, making it, and its folder, where
   * there is none. A process that is killed meanwhile leaves a part of `bytes`.
   */
  writeEnd(path: string, offset: number, bytes: Uint8Array): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Names in a folder; null for what is none, or is not there, and always in a page. */
  listFolder(path: string): Promise<string[] | null>;
  /** The path from the root, or the URL: two names of one file are equal then, but for links. */
  absolute(path: string): string;
  /** Calls `listener` while files come over the network, which in Node none do; returns what ends that. */
  onDownload(listener: (download: Download) => void): () => void;
  /** JPEG, PNG, WebP, ... to RGB, upright as its metadata says; grey is repeated. Rejects with FileError: `label` names the image. */
  decodeImage(bytes: Uint8Array, label: string): Promise<DecodedImage>;
  /**
   * Why the file that is there cannot be an image, as far as its size and header tell; null where nothing speaks against it. In a
   * page, where a header alone cannot be read, that is always so.
   */
  imageFault(path: string): Promise<string | null>;
  /** A thread for the `start` of a module of the package, named by its path there; absent in pages. */
  startThread?(module: string, init: unknown): Thread;
  /** Bytes this process may use, cores it may use (cgroup limits respected). */
  readonly memoryLimit: number;
  readonly cores: number;
}
