import type { NativeCudaDevice } from "./cuda/addon.js";

/** What the native addon exports: memory, kernels by name, one submit for many launches. */
export interface NativeAddon {
  /** Hash of the sources it was built from: see sources.cjs. */
  readonly sources: string;
  /** Instruction set that the dispatcher chose, e.g. "AVX3". CONSILIUM_SIMD restricts it, for tests. */
  readonly target: string;
  /** Brand string of the processor, "" where there is none. */
  readonly chip: string;
  /** `threads` includes the queue thread; 0 takes the cores that the affinity mask allows. */
  createDevice(threads: number): NativeDevice;
  /**
   * The GPU of an index. `synchronous`: waits for each launch, so that a fault names it. Throws, saying what to do, where
   * there is no driver, no such GPU, or one that does not open.
   */
  createCudaDevice(index: number, synchronous: boolean): NativeCudaDevice;
}

/** Memory, and work in the order of the calls. Addresses are numbers (below 2^53). */
export interface NativeQueue {
  /** Throws when the system refuses. */
  allocate(bytes: number): number;
  /** Frees after all work submitted so far. */
  release(addresses: Float64Array): void;
  /** Enqueues `words` command words (see command_stream.h of the device). Blocks only when too far ahead. */
  submit(commands: Uint32Array, words: number): void;
  /** Copies `data` now, writes it to `address` in queue order. */
  write(address: number, data: ArrayBufferView): void;
  /** Writes `pattern`, 32 bits, over and over, low byte first. */
  fill(address: number, bytes: number, pattern: number): void;
  read(address: number, byteLength: number): Promise<ArrayBuffer>;
  finish(): Promise<void>;
  /** Joins the threads and frees all memory. Promises still pending reject. Idempotent. */
  close(): void;
}

/** A queue thread and its worker pool. Everything but `allocate` and `release` happens on the queue thread. */
export interface NativeDevice extends NativeQueue {
  readonly threads: number;
  /**
   * Index of a kernel symbol for command streams, or -1 where there is none: of the addon's own, or of the library at a
   * path. Throws, saying what to do, where that cannot be loaded or is of another ABI.
   */
  findKernel(symbol: string, library?: string): number;
  /** Times each launch from here on in the order of the queue, or no more. */
  profile(on: boolean): void;
  /** Triples of pass id, kernel index and milliseconds: the launches of a profile that has ended and been waited for. */
  takeTimes(): Float64Array;
  /**
   * Memory over pages of files: triples of descriptor, offset and bytes, one after the other. 8-byte aligned; private where it is
   * written. 0 where they cannot be laid out so, or mapped.
   */
  map(ranges: Float64Array): number;
}
