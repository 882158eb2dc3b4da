import type { Binding, DeviceName, FileRange, Memory, Recording, Timing } from "../../bindings/device.js";
import { DriverError } from "../../bindings/errors.js";
import type { AnyPass, DType, FloatDType } from "../../kernels/contract.js";
import { DeviceError, ShapeError } from "../errors.js";
import { callBinding, engineErrors } from "./binding-error.js";
import { FaultWords } from "./fault-words.js";
import { LaunchMode } from "./launch-mode.js";
import { type MemoryReport, Pool } from "./pool.js";
import { Profiling } from "./profiling.js";
import { type RandomState, RandomStream } from "./random-stream.js";
import { Storage, type Taken } from "./storage.js";
import { type WarmUpOptions, walkThrough } from "./warm-up.js";

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
  /** Kernels compiled, or looked up on the cpu and cuda. */
  readonly programs: number;
  /** Bytes of values copied to the device. */
  readonly uploaded: number;
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
  /** Where it was opened as the best one here: what is better and does not open, and why. */
  readonly passedOver: readonly string[];
  /** @internal Memory and launches. */
  readonly binding: Binding;
  /** @internal */
  readonly pool: Pool;
  /** @internal */
  readonly mode: LaunchMode;
  /** @internal */
  readonly random: RandomStream;
  /** @internal */
  readonly faults: FaultWords;
  readonly #profiling: Profiling;
  #closed = false;
  #ops = 0;
  #recorded = 0;
  /** What the last `ready` left under way. */
  #mark: Promise<void> = Promise.resolve();

  /** @internal Devices come from `openDevice`. */
  constructor(
    binding: Binding,
    memoryBudget: number,
    { debug = false, passedOver = [] }: { debug?: boolean; passedOver?: readonly string[] } = {},
  ) {
    this.name = binding.name;
    this.description = binding.description;
    this.target = binding.target;
    this.passedOver = passedOver;
    this.binding = binding;
    this.pool = new Pool(binding, memoryBudget, debug);
    this.mode = new LaunchMode(binding, this.pool);
    this.random = new RandomStream(binding, this.allocate(4, "u32", "random state"));
    this.faults = new FaultWords(binding, this.allocate(4, "u32", "fault words"));
    this.#profiling = new Profiling(binding);
  }

  /** Restarts the random stream: same seed, same device and SIMD target, same bits. */
  seed(seed: number): void {
    this.mode.refuseInside("seed()");
    this.random.seed(seed);
  }

  /** Where the random stream stands; restored by `restoreRandom` to resume exactly, or to recompute. */
  get randomState(): RandomState {
    return this.random.state;
  }

  /** Goes on where `randomState` was taken. */
  restoreRandom(state: RandomState): void {
    if (state.seed !== this.random.state.seed) this.seed(state.seed);
    this.random.goTo(state.sequence);
  }

  /** Memory from the pool, not initialised. Throws OutOfMemoryError. @internal */
  allocate(length: number, dtype: DType, label: string): Storage {
    const storage = new Storage(this, this.#take(length, dtype, label));
    this.mode.warming?.made(storage, label);
    return storage;
  }

  /** Memory that is taken from the pool at its first use: never, where a file is mapped before. @internal */
  allocateLater(length: number, dtype: DType, label: string): Storage {
    // What outlives a captured step is none of its memory.
    return new Storage(this, () => this.mode.once(() => this.#take(length, dtype, label)));
  }

  #take(length: number, dtype: DType, label: string): Taken {
    if (this.#closed) throw new DeviceError(`${label}: the ${this.name} device is closed. Open it again.`);
    if (length >= 2 ** 32)
      throw new ShapeError(`${label}: ${length} elements; kernels count to 2^32. Split the tensor.`);
    return this.pool.take(length, dtype, label);
  }

  /**
   * Makes ranges of files the memory of `storage`, without a copy. False where they stay to be copied: also where others hold the
   * storage, whose memory must stay in place for the replays of a captured step. @internal
   */
  map(storage: Storage, ranges: readonly FileRange[]): boolean {
    this.mode.refuseInside("mapping a file");
    if (storage.refs > 1) return false;
    const memory = this.#closed ? null : (this.binding.map?.(ranges) ?? null);
    if (!memory) return false;
    storage.map(memory);
    this.pool.mapped += memory.bytes;
    return true;
  }

  /** Gives mapped pages back once the device is done with them. @internal */
  unmap(memory: Memory): void {
    this.pool.mapped -= memory.bytes;
    if (!this.#closed) this.binding.release(memory);
  }

  /** Enqueues every launch of a pass; while warming up, only sees to it that they get compiled. @internal */
  launch(
    pass: AnyPass,
    dtype: FloatDType,
    memories: readonly (Memory | null)[],
    params: Readonly<Record<string, number>>,
  ): void {
    if (this.mode.warming) {
      this.binding.prepare?.(pass, dtype, params);
      return;
    }
    this.#ops++;
    try {
      this.binding.launch(pass, dtype, memories, params);
    } catch (error) {
      // Its scratch did not fit, and nothing was enqueued: what is kept for reuse makes room.
      if (!(error instanceof DriverError && error.outOfMemory)) throw error;
      this.pool.trim();
      this.binding.launch(pass, dtype, memories, params);
    }
  }

  /** Copies values in the storage format of `dtype`, as `Binding.write` takes them; in the order of the device's work. @internal */
  write(storage: Storage, data: ArrayBufferView, dtype: DType, start = 0): void {
    this.mode.refuseInCapture("an upload");
    if (this.mode.warming) return;
    this.pool.admit(data.byteLength);
    callBinding(() => this.binding.write(storage.memory, data, dtype, start));
  }

  /** Enqueues a recording that drew `count` random numbers from `first` on, and draws the next ones instead. @internal */
  replay(recording: Recording, first: number, count: number): void {
    this.random.drawAgain(first, count, () => callBinding(() => this.binding.replay?.(recording)));
  }

  /** Bytes of a storage after all earlier work; a fault found on the way is thrown instead. @internal */
  async read(storage: Storage, byteLength: number, dtype: DType): Promise<ArrayBuffer> {
    this.mode.refuseInside("a read");
    if (this.#closed) throw new DeviceError(`read: the ${this.name} device is closed. Read before close().`);
    const [, bytes] = await engineErrors(
      Promise.all([
        this.faults.check(),
        byteLength === 0 ? new ArrayBuffer(0) : this.binding.read(storage.memory, byteLength, dtype),
      ]),
    );
    return bytes;
  }

  /** Resolves when everything enqueued so far has run. */
  async finish(): Promise<void> {
    this.mode.refuseInside("finish()");
    if (this.#closed) return;
    const mark = this.#mark;
    this.#mark = Promise.resolve();
    // All of it is waited for, also where something failed; the earliest error is told, and told once.
    const outcomes = await Promise.allSettled([
      mark,
      engineErrors(this.faults.check()),
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
    this.mode.refuseInside("ready()");
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
    this.mode.refuseInside("warmUp()");
    if (!this.binding.prepared) return;
    walkThrough(this, step);
    await engineErrors(this.binding.prepared(onProgress));
  }

  /** Whether `profile` can be had: cpu, cuda, and webgpu where the adapter has timestamps. */
  get canProfile(): boolean {
    return this.binding.profiler !== undefined;
  }

  /**
   * What the device's own clock says of each launch that `f` enqueues, in order. Launches are timed one by one, so their sum
   * may be more than they take together. Rejects with a DeviceError where `canProfile` is false, or inside another profile;
   * with a TypeError where `f` returns a promise: what it launches later would not be timed.
   */
  async profile(f: () => void): Promise<Timing[]> {
    this.mode.refuseInside("profile()");
    return this.#profiling.time(f);
  }

  /** What it has done since it was opened; differences tell what a step takes. */
  counters(): Counters {
    return { ops: this.#ops, recorded: this.#recorded, ...this.binding.counters };
  }

  /** Called for each op on the tape. @internal */
  countRecorded(): void {
    if (!this.mode.warming) this.#recorded++;
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
