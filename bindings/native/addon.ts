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
}

/**
 * A queue thread and its worker pool. Everything but `allocate` and `release` happens in the order of the calls, on the
 * queue thread. Addresses are numbers (below 2^53).
 */
export interface NativeDevice {
  readonly threads: number;
  /**
   * Index of a kernel symbol for command streams, or -1 where there is none: of the addon's own, or of the library at a
   * path. Throws, saying what to do, where that cannot be loaded or is of another ABI.
   */
  findKernel(symbol: string, library?: string): number;
  /** 64-byte aligned; throws a RangeError when the system refuses. */
  allocate(bytes: number): number;
  /**
   * Memory over pages of files: triples of descriptor, offset and bytes, one after the other. 8-byte aligned; private where it is
   * written. 0 where they cannot be laid out so, or mapped.
   */
  map(ranges: Float64Array): number;
  /** Frees after all work submitted so far. */
  release(addresses: Float64Array): void;
  /** Copies `words` command words (see command_stream.h) and enqueues them. Blocks only when too far ahead. */
  submit(commands: Uint32Array, words: number): void;
  /** Copies `data` now, writes it to `address` in queue order. */
  write(address: number, data: ArrayBufferView): void;
  read(address: number, byteLength: number): Promise<ArrayBuffer>;
  finish(): Promise<void>;
  /** Joins the threads and frees all memory. Promises still pending reject. Idempotent. */
  close(): void;
}
