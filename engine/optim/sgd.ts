import { step } from "../../kernels/sgd/kernels.js";
import { run } from "../dispatch/run.js";
import type { Tensor } from "../tensor.js";
import { Optimizer, type Parameters } from "./optimizer.js";

/** Settings of SGD, with PyTorch's defaults but for the rate. */
export interface SGDOptions {
  /** Learning rate. Default 1e-2. */
  lr?: number;
  /** μ. Default 0: no state. */
  momentum?: number;
  /** Looks ahead by the momentum. Default false. */
  nesterov?: boolean;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay?: number;
}

/** g = gradient + wd p, u = μ u + g, p -= lr u (nesterov: g + μ u). Rule of torch.optim.SGD without dampening. */
export class SGD extends Optimizer {
  /** μ. */
  readonly momentum: number;
  /** Whether it looks ahead. */
  readonly nesterov: boolean;
  /** Added to the gradient, times the parameter. */
  readonly weightDecay: number;
  readonly #velocities = new Map<string, Tensor>();

  constructor(parameters: Parameters, options: SGDOptions = {}) {
    super(parameters, options.lr ?? 1e-2);
    this.momentum = options.momentum ?? 0;
    this.nesterov = options.nesterov ?? false;
    this.weightDecay = options.weightDecay ?? 0;
  }

  step(clip: Tensor | null = null): void {
    this.advance();
    const { momentum, weightDecay } = this;
    const constants = { momentum, weightDecay, nesterov: this.nesterov ? 1 : 0, hasClip: clip ? 1 : 0 };
    for (const [name, parameter] of this.parameters) {
      const gradient = parameter.grad;
      if (!gradient) continue;
      const velocity = momentum === 0 ? null : this.#velocity(name, parameter);
      run(
        this.device,
        step,
        { parameter, gradient, velocity, schedule: this.rate, clip },
        { n: parameter.size, ...constants, hasVelocity: velocity ? 1 : 0 },
      );
    }
  }

  state(): Map<string, Tensor> {
    return new Map([...this.#velocities].map(([name, t]) => [`momentum_buffer.${name}`, t]));
  }

  slot(name: string): Tensor | null {
    const of = /^momentum_buffer\.(.*)$/.exec(name)?.[1];
    const parameter = of === undefined ? undefined : this.parameters.get(of);
    return parameter && of !== undefined ? this.#velocity(of, parameter) : null;
  }

  #velocity(name: string, like: Tensor): Tensor {
    let found = this.#velocities.get(name);
    if (!found) {
      found = this.zeros(like);
      this.#velocities.set(name, found);
    }
    return found;
  }
}
