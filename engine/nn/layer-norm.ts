import { layerNorm } from "../ops/layer-norm.js";
import type { Tensor } from "../tensor.js";
import { constant, type Initializer } from "./init.js";
import { at, Module } from "./module.js";

/** Layer normalisation over the last dimension, of size C. */
export class LayerNorm extends Module {
  /** [C], ones at first. */
  weight: Tensor;
  /** [C], zeros at first. */
  bias: Tensor;
  /** Added to the variance. */
  readonly eps: number;

  constructor(init: Initializer, C: number, options: { eps?: number } = {}) {
    super();
    this.weight = init.parameter([C], constant(1));
    this.bias = init.parameter([C], constant(0));
    this.eps = options.eps ?? 1e-5;
  }

  /** x [..., C]: (x - mean) / √(variance + eps) · weight + bias, of the same shape. */
  forward(x: Tensor): Tensor {
    return at(this, () => layerNorm(x, this.weight, this.bias, { eps: this.eps }));
  }
}
