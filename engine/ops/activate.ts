import { EXPERT_ACTIVATIONS, type ExpertActivation } from "../../kernels/grouped-gemm/activation.js";
import { ACTIVATIONS, type Activation } from "../../kernels/matmul/activation.js";
import type { Tensor } from "../tensor.js";
import { mul } from "./binary.js";
import { slice } from "./slice.js";
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

const NAMES = new Map(Object.entries(ACTIVATIONS).map(([name, code]) => [code, name as Activation]));

/** What is between the two products of an expert: rows [R, n], or [R, 2n] of gated ones (gate, then up), to [R, n]. */
export function activateExperts(rows: Tensor, activation: ExpertActivation): Tensor {
  const { activation: code, gated } = EXPERT_ACTIVATIONS[activation];
  const name = NAMES.get(code);
  if (!gated) return activate(rows, name);
  const length = rows.shape[1] / 2;
  const half = (start: number) => slice(rows, { dim: 1, start, length });
  return mul(activate(half(0), name), half(length));
}
