import { advance, step } from "../../kernels/adamw/kernels.js";
import { run } from "../dispatch/run.js";
import { keep } from "../scope.js";
import { fromHost, type Tensor } from "../tensor.js";
import { Optimizer, type Parameters } from "./optimizer.js";

/** Settings of AdamW, with PyTorch's defaults. */
export interface AdamWOptions {
  /** Learning rate. Default 1e-3. */
  lr?: number;
  /** Decay of the two moments. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to √v̂. Default 1e-8. */
  eps?: number;
  /** Decoupled from the gradient; hits every parameter, as PyTorch's default does. */
  weightDecay?: number;
}

/**
 * m = β1 m + (1-β1) g, v = β2 v + (1-β2) g², p = p (1 - lr wd) - lr m̂ / (√v̂ + eps). Moments are f32, made at the first
 * gradient. Loshchilov, Hutter, arXiv 1711.05101; defaults of torch.optim.AdamW.
 */
export class AdamW extends Optimizer {
  /** Decay of the two moments. */
  readonly betas: readonly [number, number];
  /** Added to √v̂. */
  readonly eps: number;
  /** Per step, times the learning rate. */
  readonly weightDecay: number;
  /**
   * Learning rate and bias corrections of the steps that were not skipped, as the kernel reads them: a row for each
   * parameter, which counts the steps it had a gradient in.
   */
  readonly #schedule: Tensor;
  /** The rows that the last step advanced. */
  #advanced: { readonly slots: readonly number[]; readonly list: Tensor } | null = null;
  readonly #moments = new Map<string, { m: Tensor; v: Tensor }>();

  constructor(parameters: Parameters, options: AdamWOptions = {}) {
    super(parameters, options.lr ?? 1e-3);
    this.betas = options.betas ?? [0.9, 0.999];
    this.eps = options.eps ?? 1e-8;
    this.weightDecay = options.weightDecay ?? 0.01;
    const count = this.parameters.size;
    this.#schedule = keep(fromHost(this.device, new Float32Array(4 * count), [count, 4], "f32"));
  }

  step(clip: Tensor | null = null): void {
    const [beta1, beta2] = this.betas;
    const betas = { beta1, rest1: 1 - beta1, beta2, rest2: 1 - beta2, hasClip: clip ? 1 : 0 };
    const { device, rate } = this;
    this.advance();
    const stepped = [...this.parameters].flatMap(([name, parameter], slot) =>
      parameter.grad ? [{ name, parameter, gradient: parameter.grad, slot }] : [],
    );
    if (stepped.length === 0) return;
    const schedule = this.#schedule;
    const [parameters] = schedule.shape;
    const slots = this.#slots(stepped.map(({ slot }) => slot));
    run(device, advance, { rate, slots, clip, schedule }, { count: slots.size, parameters, ...betas });
    const constants = { parameters, ...betas, eps: this.eps, weightDecay: this.weightDecay };
    for (const { name, parameter, gradient, slot } of stepped) {
      const { m, v } = this.#moment(name, parameter);
      run(device, step, { parameter, gradient, m, v, schedule, clip }, { n: parameter.size, slot, ...constants });
    }
  }

  state(): Map<string, Tensor> {
    const all = new Map<string, Tensor>([["schedule", this.#schedule]]);
    for (const [name, { m, v }] of this.#moments) all.set(`exp_avg.${name}`, m).set(`exp_avg_sq.${name}`, v);
    return all;
  }

  slot(name: string): Tensor | null {
    if (name === "schedule") return this.#schedule;
    const [, kind, of] = /^(exp_avg|exp_avg_sq)\.(.*)$/.exec(name) ?? [];
    const parameter = this.parameters.get(of);
    if (!parameter) return null;
    const { m, v } = this.#moment(of, parameter);
    return kind === "exp_avg" ? m : v;
  }

  override dispose(): void {
    super.dispose();
    this.#advanced?.list.dispose();
  }

  /** On the device; the same ones as in the last step are there already. */
  #slots(slots: readonly number[]): Tensor {
    const last = this.#advanced;
    if (last && slots.length === last.slots.length && slots.every((slot, i) => slot === last.slots[i]))
      return last.list;
    // Only then may the old one go: an upload can be refused.
    const list = this.device.mode.once(() => keep(fromHost(this.device, slots, [slots.length], "u32")));
    this.#advanced = { slots, list };
    last?.list.dispose();
    return list;
  }

  #moment(name: string, like: Tensor): { m: Tensor; v: Tensor } {
    let found = this.#moments.get(name);
    if (!found) {
      found = { m: this.zeros(like), v: this.zeros(like) };
      this.#moments.set(name, found);
    }
    return found;
  }
}
