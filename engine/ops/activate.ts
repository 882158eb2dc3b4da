import type { Activation } from "../../kernels/matmul/activation.js";
import type { Tensor } from "../tensor.js";
import { gelu, quickGelu, relu, silu, tanh } from "./unary.js";

const ACTIVATION: Readonly<Record<Activation, (x: Tensor) => Tensor>> = {
  none: (x) => x,
  gelu: (x) => gelu(x),
  geluTanh: (x) => gelu(x, { approximate: "tanh" }),
  quickGelu,
  silu,
  tanh,
  relu,
};

/** An activation by its name, as products have it in their epilogue. */
export const activate = (x: Tensor, activation: Activation = "none"): Tensor => ACTIVATION[activation](x);
