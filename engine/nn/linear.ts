import { type Activation, linear } from "../ops/matmul.js";
import type { Tensor } from "../tensor.js";
import { type Init, type Initializer, kaimingUniform } from "./init.js";
import { at, Module } from "./module.js";

export interface LinearOptions {
  bias?: boolean;
  weightInit?: Init;
  biasInit?: Init;
}

/** y = x weightᵀ + bias: weight [outFeatures, inFeatures], bias [outFeatures]. */
export class Linear extends Module {
  weight: Tensor;
  bias: Tensor | null;

  constructor(init: Initializer, inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    const { weightInit = kaimingUniform(inFeatures), biasInit = kaimingUniform(inFeatures), bias = true } = options;
    this.weight = init.parameter([outFeatures, inFeatures], weightInit);
    this.bias = bias ? init.parameter([outFeatures], biasInit) : null;
  }

  forward(x: Tensor, activation: Activation = "none"): Tensor {
    return at(this, () => linear(x, this.weight, this.bias, { activation }));
  }
}
