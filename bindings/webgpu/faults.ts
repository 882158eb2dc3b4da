import { DeviceLost, WebGpuError } from "../errors.js";

/** The outermost first. "internal" is a driver's compiler that fails on what WebGPU accepts. */
const SCOPES = ["out-of-memory", "internal", "validation"] as const;

/**
 * WebGPU reports errors later than the call that made them. `watch` opens an error scope around a call; `settle` waits
 * for what was watched so far and throws the first error found. `guard` fails an await when the device is lost.
 */
export class Faults {
  #device: GPUDevice;
  #adapter: string;
  /** The earliest call that failed: later errors mostly follow from it, and may be reported before it. */
  #first: { call: number; error: WebGpuError } | null = null;
  #calls = 0;
  #scopes = new Set<Promise<void>>();
  #waiting = new Set<(error: DeviceLost) => void>();
  #lost: DeviceLost | null = null;

  constructor(device: GPUDevice, adapter: string) {
    this.#device = device;
    this.#adapter = adapter;
    device.lost.then((info) => this.lose(info.message || info.reason));
    device.addEventListener("uncapturederror", (event) => this.report("device", event.error.message));
  }

  /** `make` with the errors that the implementation reports of it put down to `label`; `explain` may add to their text. */
  watch<R>(label: string, make: () => R, explain?: (made: R) => Promise<string>): R {
    this.check();
    const call = this.#calls++;
    for (const filter of SCOPES) this.#device.pushErrorScope(filter);
    let made: R;
    try {
      made = make();
    } finally {
      const errors = SCOPES.map(() => this.#device.popErrorScope());
      const scope = Promise.all(errors)
        .then(async (found) => {
          const error = found.find((e) => e);
          if (!error) return;
          const outOfMemory = error === found[SCOPES.length - 1];
          this.report(label, error.message + (explain ? await explain(made) : ""), { call, outOfMemory });
        })
        .catch(() => {})
        .finally(() => this.#scopes.delete(scope));
      this.#scopes.add(scope);
    }
    return made;
  }

  /** Throws where the device is gone. */
  check(): void {
    if (this.#lost) throw this.#lost;
  }

  /** `work`, or a DeviceLost as soon as the device is. Never throws: the errors of `work` would be left to nobody. */
  guard<R>(work: Promise<R>): Promise<R> {
    if (this.#lost) {
      work.catch(() => {});
      return Promise.reject(this.#lost);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      work
        .catch(async (error) => {
          // What a lost device had under way may be rejected before the loss itself is told.
          await new Promise((later) => setTimeout(later, 0));
          throw this.#lost ?? error;
        })
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject));
    });
  }

  async settle(): Promise<void> {
    await this.guard(Promise.all(this.#scopes));
    const first = this.#first;
    this.#first = null;
    if (first) throw first.error;
  }

  /** `reason` is null where the device is closed on purpose. */
  lose(reason: string | null): void {
    this.#lost ??= new DeviceLost("webgpu", reason);
    for (const reject of this.#waiting) reject(this.#lost);
    this.#waiting.clear();
  }

  /** Keeps an error for the next `settle`, unless that of an earlier call is known. */
  report(label: string, detail: string, { call = this.#calls++, outOfMemory = false } = {}): void {
    if (this.#first && this.#first.call <= call) return;
    this.#first = { call, error: new WebGpuError(label, detail, this.#adapter, outOfMemory) };
  }
}
