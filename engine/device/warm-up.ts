import { autocastType, inRegion } from "../dispatch/autocast.js";
import { DeviceError } from "../errors.js";
import { scope } from "../scope.js";
import type { Tensor } from "../tensor.js";
import type { Device } from "./device.js";
import type { Storage } from "./storage.js";

/** Options of `warmUp`. */
export interface WarmUpOptions {
  /** Called with each kernel that is ready. */
  onProgress?(done: number, of: number): void;
}

/** A step that is walked through for the sake of its kernels: nothing of it runs on the device. */
export class WarmUp {
  /** What the gradient of each leaf was before the step changed it: what it computes holds nothing. */
  readonly #before = new Map<Tensor, Tensor | null>();

  /** Memory that the step took, with the op that took it. */
  readonly #made = new Map<Storage, string>();

  /** Sets the gradient of a leaf, or takes it away, until the step is over. */
  lend(leaf: Tensor, gradient: Tensor | null): void {
    if (!this.#before.has(leaf)) this.#before.set(leaf, leaf.grad);
    else leaf.grad?.dispose();
    leaf.grad = gradient;
  }

  /** Notes memory that the step takes; nothing is written to it. */
  made(storage: Storage, label: string): void {
    this.#made.set(storage, label);
  }

  /** Throws where the step keeps what it made: it holds no values, and whoever reads it later cannot know. */
  checkGone(): void {
    const kept = [...this.#made].filter(([storage]) => storage.refs > 0);
    if (kept.length === 0) return;
    const names = kept.slice(0, 3).map(([{ memory }, label]) => `${label} (${memory.bytes} bytes)`);
    throw new DeviceError(
      `warmUp: the step keeps what it made, of which nothing was computed: ${names.join(", ")}` +
        `${kept.length > names.length ? ` and ${kept.length - names.length} more` : ""}. ` +
        "Throw it away, and make it before the warm-up.",
    );
  }

  restore(): void {
    for (const [leaf, before] of this.#before) {
      if (leaf.grad !== before) leaf.grad?.dispose();
      leaf.grad = before;
    }
  }
}

/** Calls `step` on `device` in a region and scope of its own. */
export function walkThrough(device: Device, step: () => unknown): void {
  const warming = new WarmUp();
  const random = device.randomState;
  try {
    device.mode.during(warming, () =>
      scope(() =>
        inRegion(autocastType(), () => {
          if (step() instanceof Promise)
            throw new TypeError("warmUp: the function returned a Promise. A step is synchronous; await outside of it.");
        }),
      ),
    );
  } finally {
    warming.restore();
    device.restoreRandom(random);
  }
  warming.checkGone();
}
