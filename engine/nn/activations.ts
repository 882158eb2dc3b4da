import { gelu, relu, silu, tanh } from "../ops/unary.js";
import type { Tensor } from "../tensor.js";
import { Module } from "./module.js";

/** Activations as modules, for Sequential. */
export class Tanh extends Module {
  /** Elementwise, any shape. */
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** max(x, 0). */
export class ReLU extends Module {
  /** Elementwise, any shape. */
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** x σ(x). */
export class SiLU extends Module {
  /** Elementwise, any shape. */
  forward(x: Tensor): Tensor {
    return silu(x);
  }
}

/** x Φ(x), with the exact erf or its tanh approximation. */
export class GELU extends Module {
  /** none: the exact erf. tanh: x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))). */
  readonly approximate: "none" | "tanh";

  constructor(options: { approximate?: "none" | "tanh" } = {}) {
    super();
    this.approximate = options.approximate ?? "none";
  }

  /** Elementwise, any shape. */
  forward(x: Tensor): Tensor {
    return gelu(x, { approximate: this.approximate });
  }
}
