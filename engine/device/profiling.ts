import type { Binding, Timing } from "../../bindings/device.js";
import { DeviceError } from "../errors.js";
import { engineErrors } from "./binding-error.js";

/** Profiles of a device, one at a time. */
export class Profiling {
  readonly #binding: Binding;
  #running = false;
  /** Of a profile whose launches the device still runs. */
  #ending: Promise<unknown> | null = null;

  constructor(binding: Binding) {
    this.#binding = binding;
  }

  /** What the device's own clock says of each launch that `f` enqueues, once an earlier profile has its times. */
  async time(f: () => void): Promise<Timing[]> {
    if (this.#running) throw new DeviceError("profile: another profile is running. Call one after the other.");
    const { profiler, name } = this.#binding;
    if (!profiler) throw new DeviceError(`profile: the ${name} device has no clock of its own. Time from outside.`);
    while (this.#ending) await this.#ending;
    profiler.start();
    this.#running = true;
    let timings: Promise<Timing[]> | null = null;
    try {
      if ((f() as unknown) instanceof Promise)
        throw new TypeError("profile: the function returned a Promise. Only what it launches at once is timed.");
    } finally {
      this.#running = false;
      timings = engineErrors(profiler.stop());
      const ending = timings.then(
        () => {},
        () => {},
      );
      this.#ending = ending.then(() => {
        this.#ending = null;
      });
    }
    return timings;
  }
}
