import type { Binding, DeviceName, DeviceOptions, Recording } from "../bindings/device.js";
import type { DType } from "../kernels/contract.js";
import type { CaptureLog } from "./capture.js";
import { DeviceError, FaultError, ShapeError } from "./errors.js";
import { type MemoryReport, Pool } from "./pool.js";
import { Storage } from "./storage.js";

/** What a fault means, by the code a kernel writes. */
const FAULTS: Readonly<Record<number, string>> = {
  1: "index {value} at position {position} is out of range",
  2: "value at position {position} is not finite",
};

/** Where a device's random stream stands. */
export interface RandomState {
  /** What `seed` was given. */
  seed: number;
  /** Random ops so far. */
  sequence: number;
}

/**
 * An open device: memory, random stream, faults. Ops find it through their tensors. It has one owner: close it (or hold
 * it with `using`, which TypeScript and Node 24 know; on Node 20 and 22 JavaScript calls `close`) after the last read.
 */
export class Device {
  /** The name that opened it. */
  readonly name: DeviceName;
  /** The chip, threads or adapter, for people. */
  readonly description: string;
  /** Same seed, same name and same target: same bits. */
  readonly target: string;
  /** @internal Memory and launches. */
  readonly binding: Binding;
  /** @internal */
  readonly pool: Pool;
  /** u32[4] read by random kernels: seed (2 words), an offset that captured steps raise, unused. @internal */
  readonly random: Storage;
  /** u32[4] written once by the first kernel that meets a fault. @internal */
  readonly faults: Storage;
  #sequence = 0;
  #seed = 0;
  #labels: string[] = [];
  #faultsPossible = false;
  #closed = false;
  #log: CaptureLog | null = null;
  #recording: Recording | null = null;

  /** @internal Devices come from `openDevice`. */
  constructor(binding: Binding, memoryBudget: number, debug = false) {
    this.name = binding.name;
    this.description = binding.description;
    this.target = binding.target;
    this.binding = binding;
    this.pool = new Pool(binding, memoryBudget, debug);
    this.random = this.allocate(4, "u32", "random state");
    this.faults = this.allocate(4, "u32", "fault words");
    binding.write(this.faults.memory, new Uint32Array(4), "u32");
    this.seed(0);
  }

  /** Restarts the random stream: same seed, same device and SIMD target, same bits. */
  seed(seed: number): void {
    this.refuseInCapture("seed()");
    this.#seed = seed;
    this.#sequence = 0;
    this.#writeRandom(0);
  }

  #writeRandom(offset: number): void {
    const words = new Uint32Array([this.#seed >>> 0, Math.floor(this.#seed / 2 ** 32) >>> 0, offset >>> 0, 0]);
    this.binding.write(this.random.memory, words, "u32");
  }

  /** Where the random stream stands; restored by `restoreRandom` to resume exactly, or to recompute. */
  get randomState(): RandomState {
    return { seed: this.#seed, sequence: this.#sequence };
  }

  /** Goes on where `randomState` was taken. */
  restoreRandom(state: RandomState): void {
    if (state.seed !== this.#seed) this.seed(state.seed);
    this.#sequence = state.sequence;
  }

  /** The number of the next random op: part of its key. @internal */
  nextSequence(): number {
    return this.#sequence++;
  }

  /** Memory from the pool, not initialised. Throws OutOfMemoryError. @internal */
  allocate(length: number, dtype: DType, label: string): Storage {
    if (this.#closed) throw new DeviceError(`${label}: the ${this.name} device is closed. Open it again.`);
    if (length >= 2 ** 32)
      throw new ShapeError(`${label}: ${length} elements; kernels count to 2^32. Split the tensor.`);
    const { memory, bytes } = this.pool.take(length, dtype, label);
    return new Storage(this, memory, bytes);
  }

  /** Copies values in the storage format of `dtype`; the memory changes in the order of the device's work. @internal */
  write(storage: Storage, data: ArrayBufferView, dtype: DType): void {
    this.refuseInCapture("an upload");
    this.binding.write(storage.memory, data, dtype);
  }

  /** The capture that is running; launches report to it what they use. @internal */
  get log(): CaptureLog | null {
    return this.#log;
  }

  /** Throws CaptureError while a capture runs. @internal */
  refuseInCapture(what: string): void {
    this.#log?.refuse(what);
  }

  /** Runs `f`, keeping its launches in `recording` and its memory in `reserve`. @internal */
  recordInto<T>(recording: Recording | null, log: CaptureLog | null, reserve: number | null, f: () => T): T {
    const before = { recording: this.#recording, log: this.#log, reserve: this.pool.current };
    const enter = (next: typeof before) => {
      this.#recording = next.recording;
      this.#log = next.log;
      this.pool.current = next.reserve;
      this.binding.record?.(next.recording);
    };
    enter({ recording, log, reserve });
    try {
      return f();
    } finally {
      enter(before);
    }
  }

  /** Runs `f` as if no capture were running: for what belongs to the first run of a step alone, such as new state. @internal */
  once<T>(f: () => T): T {
    return this.#log ? this.recordInto(null, null, null, f) : f();
  }

  /** Runs `f` now and, if a capture is running, before each replay: for what changes from step to step. @internal */
  eachTime(f: () => void): void {
    this.#log?.preludes.push(f);
    this.once(f);
  }

  /** Enqueues a recording that drew `count` random numbers from `first` on, and draws the next ones instead. @internal */
  replay(recording: Recording, first: number, count: number): void {
    if (count > 0) this.#writeRandom(this.#sequence - first);
    this.binding.replay?.(recording);
    if (count > 0) this.#writeRandom(0);
    this.#sequence += count;
  }

  /** Bytes of a storage after all earlier work; a fault found on the way is thrown instead. @internal */
  async read(storage: Storage, byteLength: number, dtype: DType): Promise<ArrayBuffer> {
    this.refuseInCapture("a read");
    if (this.#closed) throw new DeviceError(`read: the ${this.name} device is closed. Read before close().`);
    const [, bytes] = await Promise.all([
      this.#readFaults(),
      byteLength === 0 ? new ArrayBuffer(0) : this.binding.read(storage.memory, byteLength, dtype),
    ]);
    return bytes;
  }

  /** Resolves when everything enqueued so far has run. */
  async finish(): Promise<void> {
    this.refuseInCapture("finish()");
    if (this.#closed) return;
    await this.#readFaults();
    await this.binding.finish();
  }

  /** A number for `label` that a kernel writes into the fault words. @internal */
  faultLabel(label: string): number {
    this.#faultsPossible = true;
    let index = this.#labels.indexOf(label);
    if (index < 0) index = this.#labels.push(label) - 1;
    return index;
  }

  async #readFaults(): Promise<void> {
    if (!this.#faultsPossible) return;
    const [code, label, position, value] = new Uint32Array(await this.binding.read(this.faults.memory, 16, "u32"));
    if (code === 0) return;
    this.binding.write(this.faults.memory, new Uint32Array(4), "u32");
    const text = (FAULTS[code] ?? `fault ${code}`)
      .replace("{value}", String(value | 0))
      .replace("{position}", String(position));
    throw new FaultError(`${this.#labels[label] ?? "unknown op"}: ${text}. It counts as zero.`);
  }

  /** Bytes in use, kept for reuse, and at most so far. */
  memory(): MemoryReport {
    return this.pool.report();
  }

  /** Stops its threads and frees all of its memory, tensors included. What is still awaited rejects. Twice is harmless. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.binding.close();
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** `using` closes it at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

export type { DeviceName, DeviceOptions, MemoryReport };
