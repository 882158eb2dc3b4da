import { noGrad } from "../autograd/recording.js";
import { OptionError } from "../errors.js";
import { activateExperts } from "../ops/activate.js";
import { add } from "../ops/binary.js";
import { dropout } from "../ops/dropout.js";
import { groupedGemm } from "../ops/grouped-gemm.js";
import { loraGroupedGemm } from "../ops/lora-grouped-gemm.js";
import { matmul } from "../ops/matmul.js";
import { combineTokens } from "../ops/token-permute.js";
import type { Routed } from "../ops/top-k-routing.js";
import { scale } from "../ops/unary.js";
import { writeRows } from "../ops/write-rows.js";
import { scope } from "../scope.js";
import type { Tensor } from "../tensor.js";
import type { ExpertStack, Experts } from "./experts.js";
import { constant, type Initializer, kaimingUniform } from "./init.js";
import { type LoraOptions, LowRank, rankOf } from "./low-rank.js";
import { at } from "./module.js";
import { QuantizedExperts } from "./quantized-experts.js";

/** One matrix of each kind for every expert. */
export interface StackAdapters {
  /** Of the product in front of the activation; gate and up of a gated one share it. */
  up: Tensor;
  /** Of the product behind it. */
  down: Tensor;
}

/**
 * Experts with a low-rank adapter for each, their own weights frozen: what `LoraLinear` is to a linear layer. The output at
 * first is that of the experts alone. Put it in the place of `MixtureOfExperts.experts`. Hu et al., LoRA, arXiv 2106.09685.
 */
export class LoraExperts extends LowRank implements ExpertStack {
  /** The experts with the frozen weights. */
  base_layer: Experts;
  /** A: up [E, r, width], down [E, r, hidden]. */
  lora_A: StackAdapters;
  /** B: up [E, hidden, r] ([E, 2 hidden, r] of gated activations), down [E, width, r]; zeros at first. */
  lora_B: StackAdapters;

  constructor(init: Initializer, base: Experts, options: LoraOptions) {
    refuseIntegers(base);
    const r = rankOf(options);
    super(options);
    base.requiresGrad(false);
    const inner = ({ shape: [E, , K] }: Tensor) => init.parameter([E, r, K], kaimingUniform(K));
    const outer = ({ shape: [E, N] }: Tensor) => init.parameter([E, N, r], constant(0));
    this.base_layer = base;
    this.lora_A = { up: inner(base.up), down: inner(base.down) };
    this.lora_B = { up: outer(base.up), down: outer(base.down) };
  }

  /** x [T, width] to [T, width], by the choices and weights of `routed`. */
  forward(x: Tensor, routed: Routed): Tensor {
    if (this.merged) return this.base_layer.forward(x, routed);
    return at(this, () => {
      const { upBias, downBias, activation } = this.base_layer;
      const gather = routed.weights.shape[1];
      const pre = this.#product("up", x, upBias, routed.lists, gather);
      const y = this.#product("down", activateExperts(pre, activation), downBias, routed.lists, null);
      return combineTokens(y, routed);
    });
  }

  #product(name: keyof StackAdapters, x: Tensor, bias: Tensor | null, lists: Tensor, gather: number | null): Tensor {
    const [weight, A, B] = [this.base_layer[name], this.lora_A[name], this.lora_B[name]];
    if (!this.training || this.dropout === 0)
      return loraGroupedGemm(x, weight, A, B, lists, { bias, gather, scale: this.scale });
    const h = groupedGemm(dropout(x, this.dropout), A, lists, { gather });
    return add(groupedGemm(x, weight, lists, { bias, gather }), scale(groupedGemm(h, B, lists), this.scale));
  }

  protected addBranch(sign: 1 | -1): void {
    noGrad(() =>
      scope(() => {
        for (const name of ["up", "down"] as const) {
          const delta = matmul(this.lora_B[name], this.lora_A[name]);
          const weight = this.base_layer[name];
          writeRows(weight, add(weight, scale(delta, sign * this.scale)), { dim: 0, position: 0 });
        }
      }),
    );
  }
}

/** Linear layers take an adapter beside integers (QLoRA); for stacks of experts there is no such product. */
function refuseIntegers(base: unknown): void {
  if (base instanceof QuantizedExperts)
    throw new OptionError(
      `LoraExperts: these experts are quantised to ${base.format.bits} bits, which no adapter stands beside. Put it on the experts as floats (bf16 or f16 halve their memory), or on the linear layers alone.`,
    );
}
