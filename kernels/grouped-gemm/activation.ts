import { ACTIVATIONS, type ActivationCode } from "../matmul/activation.js";

/** An expert's activation as the params of its passes: gated ones take columns in pairs, act(gate) ∘ up. */
interface Epilogue {
  readonly activation: ActivationCode;
  readonly gated: 0 | 1;
}

const plain = (activation: ActivationCode): Epilogue => ({ activation, gated: 0 });
const gated = (activation: ActivationCode): Epilogue => ({ activation, gated: 1 });

/** Names of the activations of an expert; those of gated linear units end in glu or gluTanh. */
export type ExpertActivation =
  | "none"
  | "gelu"
  | "geluTanh"
  | "quickGelu"
  | "silu"
  | "tanh"
  | "relu"
  | "swiglu"
  | "geglu"
  | "gegluTanh"
  | "reglu";

/** Shazeer: GLU Variants Improve Transformer, arXiv 2002.05202, for the gated ones. */
export const EXPERT_ACTIVATIONS: Readonly<Record<ExpertActivation, Epilogue>> = {
  none: plain(ACTIVATIONS.none),
  gelu: plain(ACTIVATIONS.gelu),
  geluTanh: plain(ACTIVATIONS.geluTanh),
  quickGelu: plain(ACTIVATIONS.quickGelu),
  silu: plain(ACTIVATIONS.silu),
  tanh: plain(ACTIVATIONS.tanh),
  relu: plain(ACTIVATIONS.relu),
  swiglu: gated(ACTIVATIONS.silu),
  geglu: gated(ACTIVATIONS.gelu),
  gegluTanh: gated(ACTIVATIONS.geluTanh),
  reglu: gated(ACTIVATIONS.relu),
};
