import type { Binding, Recording } from "../../bindings/device.js";
import { DeviceError } from "../errors.js";
import type { CaptureLog } from "./capture.js";
import type { Pool } from "./pool.js";
import type { WarmUp } from "./warm-up.js";

/** What becomes of launches: they run; they run and are recorded (`capture`); they are only compiled (`warmUp`). */
export class LaunchMode {
  readonly #binding: Binding;
  readonly #pool: Pool;
  #recording: Recording | null = null;
  #log: CaptureLog | null = null;
  #warming: WarmUp | null = null;

  constructor(binding: Binding, pool: Pool) {
    this.#binding = binding;
    this.#pool = pool;
  }

  /** The capture that is running; launches report to it what they use. */
  get log(): CaptureLog | null {
    return this.#log;
  }

  /** The warm-up that is running. */
  get warming(): WarmUp | null {
    return this.#warming;
  }

  /** Throws while launches are only recorded, or only compiled. */
  refuseInside(what: string): void {
    this.refuseInCapture(what);
    if (this.#warming)
      throw new DeviceError(`warmUp: ${what} inside the step, of which nothing is computed. Do it outside.`);
  }

  /** Throws CaptureError while a capture runs. */
  refuseInCapture(what: string): void {
    this.#log?.refuse(what);
  }

  /** Runs `f` as part of a warm-up, or (null) not as part of it. */
  during<T>(warming: WarmUp | null, f: () => T): T {
    const before = this.#warming;
    this.#warming = warming;
    try {
      return f();
    } finally {
      this.#warming = before;
    }
  }

  /** Runs `f`, keeping its launches in `recording` and its memory in `reserve`. */
  recordInto<T>(recording: Recording | null, log: CaptureLog | null, reserve: number | null, f: () => T): T {
    const before = { recording: this.#recording, log: this.#log, reserve: this.#pool.current };
    const enter = (next: typeof before) => {
      this.#recording = next.recording;
      this.#log = next.log;
      this.#pool.current = next.reserve;
      this.#binding.record?.(next.recording);
    };
    enter({ recording, log, reserve });
    try {
      return f();
    } finally {
      enter(before);
    }
  }

  /** Runs `f` as if no capture were running: for what belongs to the first run of a step alone, such as new state. */
  once<T>(f: () => T): T {
    const run = this.#log ? () => this.recordInto(null, null, null, f) : f;
    return this.#warming ? this.during(null, run) : run();
  }

  /** Runs `f` now and, if a capture is running, before each replay: for what changes from step to step. */
  eachTime(f: () => void): void {
    if (this.#warming) return;
    this.#log?.preludes.push(f);
    this.once(f);
  }
}
