import type { Tensor } from "../tensor.js";
import { Module } from "./module.js";

/** A module from one tensor to one tensor. */
export interface Layer extends Module {
  /** What the next layer gets. */
  forward(x: Tensor): Tensor;
}

/** Layers one after the other. Their names are their places, as in PyTorch: `0.weight`, `2.bias`. */
export class Sequential extends Module {
  [place: number]: Layer;

  constructor(...layers: Layer[]) {
    super();
    Object.assign(this, layers);
  }

  /** The last layer's result. */
  forward(x: Tensor): Tensor {
    // By place each time, so that a layer may be replaced, by one with an adapter say.
    for (let place = 0; place in this; place++) x = this[place].forward(x);
    return x;
  }
}
