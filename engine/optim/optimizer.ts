import type { Device } from "../device/device.js";
import { fill } from "../dispatch/fill-memory.js";
import { DTypeError, OptionError } from "../errors.js";
import { keep } from "../scope.js";
import { clearGrad, fromHost, Tensor } from "../tensor.js";

/**
 * `module.parameters()`, or `module.namedParameters()` where checkpoints of the optimizer should say which is which.
 * Without names, a parameter has its place. One that comes twice (weights tied between two modules) is stepped once.
 */
export type Parameters = Iterable<Tensor | readonly [string, Tensor]>;

/**
 * What optimisers share: the parameters, the learning rate, moments per parameter, the step count. The learning rate goes
 * through a small device buffer, so that a captured step can be replayed with another.
 */
export abstract class Optimizer {
  /** By name or place, each once. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** That of the parameters. */
  readonly device: Device;
  /** Learning rate of the next step: a schedule sets it. */
  lr: number;
  /** Calls of `step` so far, those that the device skipped included. */
  steps = 0;
  /** The learning rate, then nothing: buffers of the device hold 16 bytes or more. */
  protected readonly rate: Tensor;

  constructor(parameters: Parameters, lr: number) {
    const seen = new Set<Tensor>();
    this.parameters = new Map(
      [...parameters]
        .map((p, place): readonly [string, Tensor] => (p instanceof Tensor ? [`${place}`, p] : p))
        .filter(([, t]) => !seen.has(t) && seen.add(t)),
    );
    if (this.parameters.size === 0)
      throw new OptionError("optimizer: there are no parameters. Pass model.parameters().");
    for (const [name, { dtype }] of this.parameters)
      if (dtype !== "f32")
        throw new DTypeError(
          `optimizer: parameter ${name} is ${dtype}; weights that are trained stay f32. Make them so, and compute in ${dtype} with autocast.`,
        );
    if (!(lr >= 0)) throw new OptionError(`optimizer: lr ${lr} is not a number from 0 on.`);
    this.lr = lr;
    const [first] = this.parameters.values();
    this.device = first.device;
    this.rate = keep(fromHost(this.device, new Float32Array(4), [4], "f32"));
  }

  /** State tensors by name, such as `exp_avg.<parameter>`, which are made at the first step. */
  abstract state(): Map<string, Tensor>;
  /**
   * Updates every parameter that has a gradient. `clip` is the result of clipGradNorm or of GradScaler.unscale, which may
   * say that this step is to change nothing.
   */
  abstract step(clip?: Tensor | null): void;
  /** The tensor of `state()` of that name, made (zero) where it is not there yet: for loading checkpoints. */
  abstract slot(name: string): Tensor | null;

  /** Counts the step and writes its learning rate; in a captured step, before each replay too. */
  protected advance(): void {
    this.device.mode.eachTime(() => {
      this.steps++;
      this.rate.write([this.lr, 0, 0, 0]);
    });
  }

  /** Zeroed f32 state of a parameter's shape, kept. */
  protected zeros(like: Tensor): Tensor {
    return this.device.mode.once(() =>
      keep(fill(new Tensor(this.device.allocate(like.size, "f32", "optimizer state"), like.shape, "f32"), 0)),
    );
  }

  /** Frees the gradients of all parameters. */
  zeroGrad(): void {
    for (const p of this.parameters.values()) clearGrad(p);
  }

  /** Frees its state; the parameters stay. */
  dispose(): void {
    this.rate.dispose();
    for (const t of this.state().values()) t.dispose();
  }

  /** `using` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
