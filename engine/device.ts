import type { Binding, DeviceName, DeviceOptions, Memory, Recording, Timing } from "../bindings/device.js";
import type { AnyPass, DType, FloatDType } from "../kernels/contract.js";
import { bindingError, engineErrors } from "./binding-error.js";
import type { CaptureLog } from "./capture.js";
import { DeviceError, FaultError, ShapeError } from "./errors.js";
import { type MemoryReport, Pool } from "./pool.js";
import { Storage } from "./storage.js";
import { type WarmUp, walkThrough } from "./warm-up.js";

/** What a fault means, by the code a kernel writes. */
const FAULTS: Readonly<Record<number, string>> = {
  1: "index {value} at position {position} is out of range",
  2: "value at position {position} is not finite",
};

/** Options of `warmUp`. */
export interface WarmUpOptions {
  /** Called with each kernel that is ready. */
  onProgress?(done: number, of: number): void;
}

/** What a device has done since it was opened. */
export interface Counters {
  /** Passes that ops, gradients and optimisers ran; those of replays are not among them. */
  readonly ops: number;
  /** Ops on the tape: forward calls that a backward can go through. */
  readonly recorded: number;
  /** Kernels run, replays included; those not handed over yet are not among them. An op takes one or a few. */
  readonly launches: number;
  /** Times that launches were handed to the device. */
  readonly submissions: number;
  /** Kernels compiled, or looked up on the cpu. */
  readonly programs: number;
  /** Bytes of values copied to the device. */
  readonly uploaded: number;
}

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
  #warming: WarmUp | null = null;
  #profiling = false;
  #ops = 0;
  #recorded = 0;
  /** What the last `ready` left under way. */
  #mark: Promise<void> = Promise.resolve();

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
    this.refuseInside("seed()");
    this.#seed = seed;
    this.#sequence = 0;
    this.#writeRandom(0);
  }

  #writeRandom(offset: number): void {
    const words = new Uint32Array([this.#seed >>> 0, Math.floor(this.#seed / 2 ** 32) >>> 0, offset >>> 0, 0]);
    this.#write(this.random, words, "u32");
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
    const storage = new Storage(this, memory, bytes);
    this.#warming?.made(storage, label);
    return storage;
  }

  /** Enqueues every launch of a pass; while warming up, only sees to it that they get compiled. @internal */
  launch(
    pass: AnyPass,
    dtype: FloatDType,
    memories: readonly (Memory | null)[],
    params: Readonly<Record<string, number>>,
  ): void {
    if (this.#warming) {
      this.binding.prepare?.(pass, dtype, params);
      return;
    }
    this.#ops++;
    this.binding.launch(pass, dtype, memories, params);
  }

  /** Copies values in the storage format of `dtype`, as `Binding.write` takes them; in the order of the device's work. @internal */
  write(storage: Storage, data: ArrayBufferView, dtype: DType, start = 0): void {
    this.refuseInCapture("an upload");
    if (this.#warming) return;
    this.pool.admit(data.byteLength);
    this.#write(storage, data, dtype, start);
  }

  #write(storage: Storage, data: ArrayBufferView, dtype: DType, start = 0): void {
    try {
      this.binding.write(storage.memory, data, dtype, start);
    } catch (error) {
      throw bindingError(error);
    }
  }

  /** The capture that is running; launches report to it what they use. @internal */
  get log(): CaptureLog | null {
    return this.#log;
  }

  /** The warm-up that is running. @internal */
  get warming(): WarmUp | null {
    return this.#warming;
  }

  /** Throws while launches are only recorded, or only compiled. @internal */
  refuseInside(what: string): void {
    this.refuseInCapture(what);
    if (this.#warming)
      throw new DeviceError(`warmUp: ${what} inside the step, of which nothing is computed. Do it outside.`);
  }

  /** Throws CaptureError while a capture runs. @internal */
  refuseInCapture(what: string): void {
    this.#log?.refuse(what);
  }

  /** Runs `f` as part of a warm-up, or (null) not as part of it. @internal */
  during<T>(warming: WarmUp | null, f: () => T): T {
    const before = this.#warming;
    this.#warming = warming;
    try {
      return f();
    } finally {
      this.#warming = before;
    }
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
    const run = this.#log ? () => this.recordInto(null, null, null, f) : f;
    return this.#warming ? this.during(null, run) : run();
  }

  /** Runs `f` now and, if a capture is running, before each replay: for what changes from step to step. @internal */
  eachTime(f: () => void): void {
    if (this.#warming) return;
    this.#log?.preludes.push(f);
    this.once(f);
  }

  /** Enqueues a recording that drew `count` random numbers from `first` on, and draws the next ones instead. @internal */
  replay(recording: Recording, first: number, count: number): void {
    if (count > 0) this.#writeRandom(this.#sequence - first);
    try {
      this.binding.replay?.(recording);
    } catch (error) {
      throw bindingError(error);
    }
    if (count > 0) this.#writeRandom(0);
    this.#sequence += count;
  }

  /** Bytes of a storage after all earlier work; a fault found on the way is thrown instead. @internal */
  async read(storage: Storage, byteLength: number, dtype: DType): Promise<ArrayBuffer> {
    this.refuseInside("a read");
    if (this.#closed) throw new DeviceError(`read: the ${this.name} device is closed. Read before close().`);
    const [, bytes] = await engineErrors(
      Promise.all([
        this.#readFaults(),
        byteLength === 0 ? new ArrayBuffer(0) : this.binding.read(storage.memory, byteLength, dtype),
      ]),
    );
    return bytes;
  }

  /** Resolves when everything enqueued so far has run. */
  async finish(): Promise<void> {
    this.refuseInside("finish()");
    if (this.#closed) return;
    const mark = this.#mark;
    this.#mark = Promise.resolve();
    // All of it is waited for, also where something failed; the earliest error is told, and told once.
    const outcomes = await Promise.allSettled([
      mark,
      engineErrors(this.#readFaults()),
      engineErrors(this.binding.finish()),
    ]);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  /**
   * Resolves when the device has done what was enqueued before the previous call of `ready`. Awaited once a step, it keeps
   * at most two steps under way: enqueuing never waits, so a loop that reads nothing would run ahead without bound, and
   * each launch that waits costs memory.
   */
  async ready(): Promise<void> {
    this.refuseInside("ready()");
    if (this.#closed) return;
    const before = this.#mark;
    this.#mark = engineErrors(this.binding.finish());
    // An error is told by the call that waits for it.
    this.#mark.catch(() => {});
    await before;
  }

  /**
   * Compiles what `step` launches, in the background and all at once, so that its first call need not wait for one kernel
   * after the other. `step` is called, but nothing of it runs on the device: no upload, no random number, no step of an
   * optimiser, and gradients are as before. State that an optimiser makes at its first step is made. Any other tensor that
   * the step makes must end with it: one that it keeps (for later steps, say) would hold no values. A kernel depends on
   * storage types and, in some ops, on sizes: give the step the shapes that will come. Resolves at once on devices that
   * compile nothing (cpu, reference), without a call of `step`.
   *
   *     await device.warmUp(() => {
   *       model.loss(batch).backward();
   *       optimizer.step();
   *     }, { onProgress: (done, of) => console.log(`${done} of ${of} kernels`) });
   *
   * Rejects with a DeviceError where the step kept a tensor; with the op, pass and adapter of a kernel that does not
   * compile, and the driver's text.
   */
  async warmUp(step: () => unknown, { onProgress }: WarmUpOptions = {}): Promise<void> {
    this.refuseInside("warmUp()");
    if (!this.binding.prepared) return;
    walkThrough(this, step);
    await engineErrors(this.binding.prepared(onProgress));
  }

  /** Whether `profile` can be had: webgpu, where the adapter has timestamps. */
  get canProfile(): boolean {
    return this.binding.profiler !== undefined;
  }

  /**
   * What the device's own clock says of each launch that `f` enqueues, in order. Launches are timed one by one, so their sum
   * may be more than they take together. Rejects with a DeviceError where `canProfile` is false, or inside another profile;
   * with a TypeError where `f` returns a promise: what it launches later would not be timed.
   */
  async profile(f: () => void): Promise<Timing[]> {
    this.refuseInside("profile()");
    if (this.#profiling) throw new DeviceError("profile: another profile is running. Call one after the other.");
    const { profiler } = this.binding;
    if (!profiler)
      throw new DeviceError(`profile: the ${this.name} device has no clock of its own. Time from outside.`);
    profiler.start();
    this.#profiling = true;
    let timings: Promise<Timing[]> | null = null;
    try {
      if ((f() as unknown) instanceof Promise)
        throw new TypeError("profile: the function returned a Promise. Only what it launches at once is timed.");
    } finally {
      this.#profiling = false;
      timings = engineErrors(profiler.stop());
      timings.catch(() => {});
    }
    return timings;
  }

  /** What it has done since it was opened; differences tell what a step takes. */
  counters(): Counters {
    return { ops: this.#ops, recorded: this.#recorded, ...this.binding.counters };
  }

  /** Called for each op on the tape. @internal */
  countRecorded(): void {
    if (!this.#warming) this.#recorded++;
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
    this.#write(this.faults, new Uint32Array(4), "u32");
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

export type { DeviceName, DeviceOptions, MemoryReport, Timing };
