import { next, unscale } from "../../kernels/loss-scale/kernels.js";
import type { Device } from "../device/device.js";
import { run } from "../dispatch/run.js";
import { OptionError } from "../errors.js";
import { mul } from "../ops/binary.js";
import { cast } from "../ops/cast.js";
import { keep } from "../scope.js";
import { fromHost, type Tensor } from "../tensor.js";
import { clipGradNorm } from "./clip-grad-norm.js";

/** When and how the scale changes. */
export interface GradScalerOptions {
  /** Default 65,536. */
  initScale?: number;
  /** Default 2. */
  growthFactor?: number;
  /** Default 0.5. */
  backoffFactor?: number;
  /** Steps in a row with finite gradients before the scale grows. Default 2,000. */
  growthInterval?: number;
}

/** Where a GradScaler stands. */
export interface GradScalerReport {
  /** Factor of the next loss. */
  scale: number;
  /** Steps that changed nothing, for a gradient was not finite. */
  skipped: number;
}

/** The largest number of f32: a norm that nothing exceeds. */
const UNBOUNDED = (2 - 2 ** -23) * 2 ** 127;

/**
 * Keeps small gradients above the smallest f16 by scaling the loss: gradients of s · loss are divided by s as the optimiser
 * reads them. Where one is not finite the step changes nothing and s shrinks; after a number of good steps it grows.
 *
 *     scaler.scale(loss).backward();
 *     optimizer.step(scaler.unscale(model.parameters(), { maxNorm: 1 }));
 *     scaler.update();
 *     optimizer.zeroGrad();
 *
 * The scale lives on the device: nothing is read back, and a captured step replays. Several optimisers may share one
 * `unscale` of all their parameters. Defaults of torch.amp.GradScaler; Micikevicius et al., arXiv 1710.03740, section 3.2.
 */
export class GradScaler {
  /** Where the scale lives. */
  readonly device: Device;
  readonly #rule: { readonly growth: number; readonly backoff: number; readonly interval: number };
  readonly #scale: Tensor;
  /** Steps since the scale changed; whether a gradient of this step is not finite; steps skipped so far. */
  readonly #counts: Tensor;

  constructor(device: Device, options: GradScalerOptions = {}) {
    const { initScale = 65536, growthFactor = 2, backoffFactor = 0.5, growthInterval = 2000 } = options;
    if (!(initScale > 0 && Number.isFinite(initScale)))
      throw new OptionError(`GradScaler: initScale ${initScale} is not a positive number.`);
    if (!(growthFactor > 1)) throw new OptionError(`GradScaler: growthFactor ${growthFactor} is not above 1.`);
    if (!(backoffFactor > 0 && backoffFactor < 1))
      throw new OptionError(`GradScaler: backoffFactor ${backoffFactor} is not between 0 and 1.`);
    if (!(Number.isInteger(growthInterval) && growthInterval >= 1))
      throw new OptionError(`GradScaler: growthInterval ${growthInterval} is not a whole number from 1 on.`);
    this.device = device;
    this.#rule = { growth: growthFactor, backoff: backoffFactor, interval: growthInterval };
    this.#scale = keep(fromHost(device, [initScale], [], "f32"));
    this.#counts = keep(fromHost(device, [0, 0, 0], [3], "f32"));
  }

  /** s · loss, to call `backward` on. */
  scale(loss: Tensor): Tensor {
    return mul(cast(loss, "f32"), this.#scale);
  }

  /**
   * For `optimizer.step(clip)`: [norm, factor] as clipGradNorm gives them, of the gradients without their scale, the factor
   * dividing by it; a factor below 0, which skips the step, where a gradient is not finite or the norm is above 1.8e19.
   */
  unscale(parameters: Iterable<Tensor>, options: { maxNorm?: number } = {}): Tensor {
    const { maxNorm = UNBOUNDED } = options;
    if (!(maxNorm > 0)) throw new OptionError(`GradScaler: maxNorm ${maxNorm} is not above 0.`);
    const scaled = clipGradNorm(parameters, UNBOUNDED);
    const args = { scaled, scale: this.#scale, counts: this.#counts, clip: [2] };
    const { clip } = run(this.device, unscale, args, { maxNorm });
    scaled.dispose();
    return clip;
  }

  /** The scale of the next step. Call once per step, after every `optimizer.step`. */
  update(): void {
    run(this.device, next, { scale: this.#scale, counts: this.#counts }, this.#rule);
  }

  /** State tensors by name. */
  state(): Map<string, Tensor> {
    return new Map([
      ["scale", this.#scale],
      ["counts", this.#counts],
    ]);
  }

  /** The tensor of `state()` of that name: for loading checkpoints. */
  slot(name: string): Tensor | null {
    return this.state().get(name) ?? null;
  }

  /** Scale and number of steps skipped so far. Waits for the device. */
  async report(): Promise<GradScalerReport> {
    const [scale, counts] = await Promise.all([this.#scale.item(), this.#counts.data()]);
    return { scale, skipped: counts[2] };
  }

  /** Frees its state. */
  dispose(): void {
    for (const t of this.state().values()) t.dispose();
  }

  /** `using` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
