import { gelu, mul, quickGelu, relu, silu, slice, type Tensor, tanh } from "../../../engine/index.js";
import type { ExpertActivation } from "../../../kernels/grouped-gemm/activation.js";

export const activations: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  gelu: (x) => gelu(x),
  geluTanh: (x) => gelu(x, { approximate: "tanh" }),
  quickGelu,
  silu,
  tanh,
  relu,
};

const halves = (x: Tensor) =>
  [0, 1].map((i) => slice(x, { dim: 1, start: (i * x.shape[1]) / 2, length: x.shape[1] / 2 }));
const gated = (act: (x: Tensor) => Tensor) => (x: Tensor) => {
  const [gate, up] = halves(x);
  return mul(act(gate), up);
};
/** Those of experts: of the gated ones the first half of each row is the gate. */
export const experts: Readonly<{ [A in ExpertActivation]: (x: Tensor) => Tensor }> = {
  none: (x) => x,
  gelu: activations.gelu,
  geluTanh: activations.geluTanh,
  quickGelu,
  silu,
  tanh,
  relu,
  swiglu: gated(silu),
  geglu: gated(activations.gelu),
  gegluTanh: gated(activations.geluTanh),
  reglu: gated(relu),
};
