import { EXPERT_ACTIVATIONS } from "../../kernels/grouped-gemm/activation.js";
import { OptionError } from "../errors.js";
import { type ExpertActivation, expertMlp } from "../ops/expert-mlp.js";
import type { Routed } from "../ops/top-k-routing.js";
import type { Tensor } from "../tensor.js";
import { type Init, type Initializer, kaimingUniform } from "./init.js";
import { at, Module } from "./module.js";

/** Sizes and form of the experts of a mixture. */
export interface ExpertsOptions {
  /** Size of a token. */
  width: number;
  /** Hidden size of an expert. */
  hidden: number;
  /** How many there are. */
  experts: number;
  /** swiglu, geglu, gegluTanh and reglu are gated: act(gate) ∘ up. */
  activation: ExpertActivation;
  /** Whether both products of an expert have a bias. Default false. */
  bias?: boolean;
  /** Of weights and biases. Default: uniform in ±1/√(inputs), PyTorch's for linear layers. */
  weightInit?: Init;
}

/** What a mixture asks of its experts. */
export interface ExpertStack extends Module {
  /** x [T, width] to [T, width]: for each token the weighted sum over its experts. */
  forward(x: Tensor, routed: Routed): Tensor;
}

/** E multi-layer perceptrons of one form, their weights in stacks: expert e is `down[e] act(up[e] x + upBias[e]) + downBias[e]`. */
export class Experts extends Module implements ExpertStack {
  /** [E, hidden, width]; of gated activations [E, 2 hidden, width]: the rows of gate_proj, then those of up_proj. */
  up: Tensor;
  /** [E, hidden] or [E, 2 hidden]; null where there is none. */
  upBias: Tensor | null;
  /** [E, width, hidden]. */
  down: Tensor;
  /** [E, width]; null where there is none. */
  downBias: Tensor | null;
  /** Between the two products. */
  readonly activation: ExpertActivation;

  constructor(init: Initializer, options: ExpertsOptions) {
    super();
    const { width, hidden, experts: E, activation, bias = false } = options;
    for (const [name, n] of Object.entries({ width, hidden, experts: E }))
      if (!Number.isInteger(n) || n < 1)
        throw new OptionError(`Experts: ${name} is ${n}; a whole number above 0 is needed.`);
    const epilogue = EXPERT_ACTIVATIONS[activation];
    if (!epilogue)
      throw new OptionError(
        `Experts: unknown activation "${activation}". Known: ${Object.keys(EXPERT_ACTIVATIONS).join(", ")}.`,
      );
    const N = epilogue.gated ? 2 * hidden : hidden;
    const { weightInit: inner = kaimingUniform(width), weightInit: outer = kaimingUniform(hidden) } = options;
    this.up = init.parameter([E, N, width], inner);
    this.upBias = bias ? init.parameter([E, N], inner) : null;
    this.down = init.parameter([E, width, hidden], outer);
    this.downBias = bias ? init.parameter([E, width], outer) : null;
    this.activation = activation;
  }

  /** x [T, width] to [T, width], by the choices and weights of `routed`. */
  forward(x: Tensor, routed: Routed): Tensor {
    return at(this, () => expertMlp(x, routed, this, { activation: this.activation }));
  }
}
