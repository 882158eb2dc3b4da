import { rmsNorm } from "../ops/rms-norm.js";
import type { Tensor } from "../tensor.js";
import { constant, type Initializer } from "./init.js";
import { at, Module } from "./module.js";

/** Division by the root mean square over the last dimension, of size C. */
export class RMSNorm extends Module {
  /** [C], ones at first. */
  weight: Tensor;
  /** Added to the mean square. */
  readonly eps: number;

  constructor(init: Initializer, C: number, options: { eps?: number } = {}) {
    super();
    this.weight = init.parameter([C], constant(1));
    this.eps = options.eps ?? 1e-5;
  }

  /** x [..., C]: x / √(mean of x² + eps) · weight, of the same shape. */
  forward(x: Tensor): Tensor {
    return at(this, () => rmsNorm(x, this.weight, { eps: this.eps }));
  }
}
