import type { NativeQueue } from "../addon.js";

/** A GPU as its driver describes it. */
export interface GpuInfo {
  readonly name: string;
  /** Compute capability: 80, 90. */
  readonly capability: number;
  readonly multiprocessors: number;
  /** Bytes of shared memory that one block may ask for. */
  readonly maxSharedBytes: number;
  /** Of the second level, which all multiprocessors share. */
  readonly cacheBytes: number;
  readonly totalBytes: number;
  /** When it was opened. */
  readonly freeBytes: number;
  /** The version of CUDA that its driver is for: 12040 is 12.4. */
  readonly driver: number;
}

/**
 * One stream of a GPU. What the driver refuses is thrown, with `outOfMemory` where it is that; a fault of the GPU has `lost`,
 * and then every later call but `close` throws it.
 */
export interface NativeCudaDevice extends NativeQueue {
  readonly info: GpuInfo;
  /**
   * Index of a kernel symbol for command streams, or -1 where the file has none of that name. `label` is for people. Throws
   * where the driver does not load the file.
   */
  findKernel(file: string, symbol: string, label: string): number;
  /** A CUDA graph of these command words: at least 1. */
  newGraph(commands: Uint32Array, words: number): number;
  launchGraph(graph: number): void;
  releaseGraph(graph: number): void;
  /** Times each launch from now on. */
  startProfile(): void;
  /** Pairs of kernel and milliseconds, in order. Waits for those that have not run. */
  stopProfile(): Float64Array;
}
