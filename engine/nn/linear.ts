import { type Activation, linear } from "../ops/matmul.js";
import type { Tensor } from "../tensor.js";
import { type Init, type Initializer, kaimingUniform } from "./init.js";
import { at, Module } from "./module.js";

/** What `Linear` has besides its sizes. */
export interface LinearOptions {
  /** Whether it has a bias. Default true. */
  bias?: boolean;
  /** Default `kaimingUniform(inFeatures)`, PyTorch's. */
  weightInit?: Init;
  /** Default `kaimingUniform(inFeatures)`, PyTorch's. */
  biasInit?: Init;
}

/** A linear layer, with whatever stands around it. */
export interface LinearLayer extends Module {
  /** x [..., inFeatures] to [..., outFeatures]. */
  forward(x: Tensor, activation?: Activation): Tensor;
}

/** y = x weightᵀ + bias: weight [outFeatures, inFeatures], bias [outFeatures]. */
export class Linear extends Module implements LinearLayer {
  /** [outFeatures, inFeatures]. */
  weight: Tensor;
  /** [outFeatures]; null where there is none. */
  bias: Tensor | null;

  constructor(init: Initializer, inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    const { weightInit = kaimingUniform(inFeatures), biasInit = kaimingUniform(inFeatures), bias = true } = options;
    this.weight = init.parameter([outFeatures, inFeatures], weightInit);
    this.bias = bias ? init.parameter([outFeatures], biasInit) : null;
  }

  /** x [..., inFeatures] to [..., outFeatures]; the activation is applied in the same kernel. */
  forward(x: Tensor, activation: Activation = "none"): Tensor {
    return at(this, () => linear(x, this.weight, this.bias, { activation }));
  }
}
