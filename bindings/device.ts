/**
 * The contract of a device binding. A binding knows memory, passes and launches; it never knows an op by name.
 * All calls but `read` and `finish` return at once: work is enqueued and runs in the order of the calls.
 */
import type { AnyPass, DType, FloatDType, GpuLimits } from "../kernels/contract.js";

/** What `openDevice` opens. */
export type DeviceName = "cpu" | "webgpu" | "cuda" | "reference";
/** One of them, or a GPU by its index: "cuda:1". */
export type DeviceChoice = DeviceName | `cuda:${number}`;
export type TypedArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint16Array;

/** Device memory. `bytes` is what the allocation holds, at least what was asked for. Opaque beyond that. */
export interface Memory {
  readonly bytes: number;
}

/** Bytes of an open file. */
export interface FileRange {
  /** The operating system's. */
  readonly descriptor: number;
  /** Where they begin in it. */
  readonly offset: number;
  /** How many. */
  readonly bytes: number;
}

/** Launches that a device keeps to enqueue them again. Opaque beyond that. */
export interface Recording {
  readonly launches: number;
}

/** What a device has done since it was opened. */
export interface Counters {
  /** Kernels run: dispatches of webgpu, launches of cuda, calls of a pass's symbols on the cpu, passes of the reference. */
  launches: number;
  /** Times that launches were handed over; the reference hands over nothing. */
  submissions: number;
  /** Kernels made ready: pipelines of webgpu, symbols looked up on the cpu and cuda. */
  programs: number;
  /** Bytes of the host's values copied to the device. */
  uploaded: number;
}

export const noCounts = (): Counters => ({ launches: 0, submissions: 0, programs: 0, uploaded: 0 });

/** A launch as the device's own clock saw it. */
export interface Timing {
  /** Pass, storage type and tiles. */
  readonly label: string;
  /** Milliseconds. */
  readonly ms: number;
}

/** Times each launch from `start` to `stop`, one by one: what runs meanwhile overlaps less than it otherwise would. */
export interface Profiler {
  start(): void;
  /** Resolves with every launch since `start`, in order. */
  stop(): Promise<Timing[]>;
}

/** What the cpu device starts at most. */
export const MAX_THREADS = 1024;

/** How a device is opened. */
export interface DeviceOptions {
  /** Worker threads of the cpu device, the queue thread included. Default: the cores this process may use. */
  threads?: number;
  /**
   * Upper bound of live, pooled and the device's own bytes together. Default: nine tenths of what the machine offers this
   * process; on cuda, of the GPU's memory that is free.
   */
  memoryBudget?: number;
  /**
   * Exact allocations, never reused, with guard zones around them and NaN inside; `checkGuards` and `finish` report
   * damage. For tests.
   */
  debug?: boolean;
  /** reference only: keep float64 values unrounded, for finite differences. */
  exact?: boolean;
  /**
   * webgpu only: features that are not in the specification yet or that Dawn holds back: in Node f16 on NVIDIA's GPUs, and
   * everywhere subgroup matrices, which multiply f16 several times faster. What does not compute a known product exactly is
   * not used; `description` says so.
   */
  experimental?: boolean;
  /** cuda only: which GPU, as the driver counts them (CUDA_VISIBLE_DEVICES). Default 0. */
  index?: number;
  /**
   * cuda only: products of f32 may round their operands to tf32 (10 bits of mantissa), which the tensor cores multiply many
   * times faster.
   */
  tf32?: boolean;
  /** webgpu only: accept a software adapter (implied when "webgpu" was asked for by name). */
  allowSoftware?: boolean;
}

export interface Binding {
  readonly name: DeviceName;
  /** For people: the chip, the instruction set or adapter, threads. */
  readonly description: string;
  /** What decides the bits of a result besides the seed: the instruction set, the adapter, the GPU. Not the threads. */
  readonly target: string;
  readonly limits: GpuLimits | null;
  readonly counters: Readonly<Counters>;
  /** Bytes of device memory that it holds for itself: scratch, params, recordings, staging. They count in the budget. */
  readonly ownBytes: number;
  /** Those of them that are uploads the device has not come to yet, where it does not wait for room by itself. */
  readonly waitingUploads?: number;

  /** Devices with memory of their own: bytes of it that were free when it was opened. */
  readonly memoryLimit?: number;
  /** Devices that bound it: bytes that one allocation may have. */
  readonly maxAllocation?: number;
  /** Devices that tell it: bytes of the last cache before their memory. */
  readonly cacheBytes?: number;

  /** Raw memory for `length` elements; pooling and the budget are the engine's. Throws when the system refuses. */
  allocate(length: number, dtype: DType): Memory;
  release(memory: Memory): void;
  /**
   * Devices that compute in the host's memory: memory that holds these ranges, one after the other, without a copy. It is pages
   * of the files until it is written, and what is written never reaches them. The files may be closed afterwards, replaced
   * or removed, but not overwritten or cut short. Null where that cannot be had: the ranges must be there, begin at a multiple of
   * 8 bytes, and each at the same place of a page as the one before ends. Ranges that also follow each other in a file are one run;
   * where there are several runs, each must be a page or more.
   */
  map?(ranges: readonly FileRange[]): Memory | null;

  /**
   * Copies `data` now; the memory changes in the order of the calls. `data` is in the storage format (bf16 as u16) and goes to
   * element `start` on: 0, or a multiple of 4 bytes, and then data of a multiple of 4 bytes, or up to the end.
   */
  write(memory: Memory, data: ArrayBufferView, dtype: DType, start?: number): void;
  /** Resolves with the bytes, in the storage format, after all earlier work. */
  read(memory: Memory, byteLength: number, dtype: DType): Promise<ArrayBuffer>;

  /**
   * Enqueues every launch of a pass. `buffers` follows `pass.bufferNames`, null where an optional one is absent;
   * `dtype` is the value type. Throws KernelMissing where this device has no kernel for it.
   */
  launch(
    pass: AnyPass,
    dtype: FloatDType,
    buffers: readonly (Memory | null)[],
    params: Readonly<Record<string, number>>,
  ): void;

  /**
   * Devices that can replay: a recording is made empty, `record` keeps in it what is launched from now on (until null),
   * `replay` enqueues all of it. Buffers must stay allocated until it is released.
   */
  newRecording?(): Recording;
  record?(recording: Recording | null): void;
  replay?(recording: Recording): void;
  releaseRecording?(recording: Recording): void;

  /**
   * Devices that compile: `prepare` starts to compile what `launch` would run, and enqueues nothing; `prepared` resolves
   * when all of it is ready, and tells how far it is. A launch whose kernel is not ready yet compiles it by itself.
   */
  prepare?(pass: AnyPass, dtype: FloatDType, params: Readonly<Record<string, number>>): void;
  prepared?(onProgress?: (done: number, of: number) => void): Promise<void>;

  /** Devices whose clock times launches. */
  readonly profiler?: Profiler;

  /** Resolves when everything enqueued so far has run. */
  finish(): Promise<void>;
  /** Stops threads and frees everything. Idempotent. */
  close(): void;

  /** Debug devices: a description of the first damaged guard zone of this allocation, or null. Asynchronous work must be finished. */
  checkGuards?(memory: Memory): Promise<string | null>;
}

export { BYTES } from "../kernels/cost.js";
