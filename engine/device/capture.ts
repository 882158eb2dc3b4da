import type { Recording } from "../../bindings/device.js";
import { autocastType, inRegion } from "../dispatch/autocast.js";
import { CaptureError, DeviceError, DisposedError } from "../errors.js";
import { keep, type ScopeResult, scope } from "../scope.js";
import { Tensor } from "../tensor.js";
import type { Device } from "./device.js";
import type { Storage } from "./storage.js";

/** What a device reports to the capture that is running on it. */
export class CaptureLog {
  /** Memory from before the capture that its launches read or write: held until the end, so that it stays in place. */
  readonly used = new Set<Storage>();
  readonly written = new Set<Storage>();
  /** Run before each replay. */
  readonly preludes: (() => void)[] = [];
  /** The first error, also where the step swallowed it. */
  error: CaptureError | null = null;

  use(storage: Storage, writes: boolean): void {
    if (storage.device.pool.inReserve(storage.memory)) return;
    if (writes) this.written.add(storage);
    if (this.used.has(storage)) return;
    this.used.add(storage);
    storage.retain();
  }

  refuse(what: string): never {
    this.error ??= new CaptureError(
      `capture: ${what} inside a captured step: it would not happen again in a replay. Do it before, into a tensor that the step reads.`,
    );
    throw this.error;
  }

  release(): void {
    for (const storage of this.used) storage.release();
    this.used.clear();
  }
}

/** A step whose launches are recorded: `capture` makes it. */
export class Captured<T> {
  /** What the step returned. Each replay overwrites the values. */
  readonly result: T;
  readonly #device: Device;
  readonly #recording: Recording;
  readonly #log: CaptureLog;
  readonly #reserve: number;
  readonly #random: { readonly first: number; readonly count: number };
  readonly #results: readonly Tensor[];
  #disposed = false;

  constructor(device: Device, step: () => ScopeResult<T>) {
    const { binding, pool } = device;
    this.#device = device;
    this.#recording = (binding.newRecording as () => Recording)();
    this.#log = new CaptureLog();
    this.#reserve = pool.openReserve();
    const first = device.randomState.sequence;
    try {
      this.result = device.mode.recordInto(this.#recording, this.#log, this.#reserve, () =>
        scope(() => {
          // A region of its own: a cast from before the capture would not be made again in a replay.
          const result = inRegion(autocastType(), step);
          if (this.#log.error) throw this.#log.error;
          return result;
        }),
      );
    } catch (error) {
      this.#free();
      throw error;
    }
    this.#random = { first, count: device.randomState.sequence - first };
    this.#results = tensorsOf(this.result);
    for (const t of this.#results) keep(t);
  }

  /** Enqueues the step again: same launches, same memory; new random numbers, the next step of its optimisers. */
  replay(): T {
    if (this.#disposed) throw new DisposedError("replay: the captured step was disposed. Capture it again.");
    this.#device.mode.refuseInside("a replay");
    for (const prelude of this.#log.preludes) prelude();
    this.#device.replay(this.#recording, this.#random.first, this.#random.count);
    for (const storage of this.#log.written) storage.changed();
    for (const t of this.#results) t.storage.changed();
    return this.result;
  }

  /** Gives its memory back, the results' too. Twice is harmless. */
  dispose(): void {
    if (this.#disposed) return;
    for (const t of this.#results) t.dispose();
    this.#free();
  }

  /** `using` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #free(): void {
    this.#disposed = true;
    this.#log.release();
    this.#device.binding.releaseRecording?.(this.#recording);
    this.#device.pool.closeReserve(this.#reserve);
  }
}

/**
 * Runs `step` once and keeps its launches; `replay()` enqueues them again without any of the JavaScript that made them.
 * For steps of many small launches.
 *
 *     using training = capture(device, () => {
 *       const loss = model.loss(x);
 *       loss.backward();
 *       optimizer.step();
 *       optimizer.zeroGrad();
 *       return loss;
 *     });
 *     x.write(nextBatch);
 *     optimizer.lr = rate(1);
 *     const loss = await training.replay().item();
 *
 * A replay gives the bits that another call of `step` would. What `step` decides in JavaScript is decided once: shapes, the
 * mode of modules, an option. Inputs are tensors from outside, written to between replays. Gradients must be as absent (or
 * present) after the step as before it. The step has memory of its own until it is disposed.
 *
 * Throws CaptureError where `step` reads or uploads, DeviceError where the device cannot replay.
 */
export function capture<T>(device: Device, step: () => ScopeResult<T>): Captured<T> {
  if (!device.binding.newRecording)
    throw new DeviceError(`capture: the ${device.name} device cannot replay. Call the step itself.`);
  device.mode.refuseInside("another capture");
  return new Captured(device, step);
}

function tensorsOf(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (value === null || typeof value !== "object") return [];
  return Object.values(value).flatMap(tensorsOf);
}
