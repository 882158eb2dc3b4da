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
import { DEFAULT_ADAPTER } from "./adapter-layer.js";
import type { ExpertStack, Experts } from "./experts.js";
import { constant, type Initializer, kaimingUniform } from "./init.js";
import { type LoraOptions, LowRank, rankOf } from "./low-rank.js";
import { at } from "./module.js";
import { QuantizedExperts } from "./quantized-experts.js";

/** One matrix of each kind for every expert, A or B of an adapter. */
export interface StackAdapters {
  /** A [E, r, width], B [E, hidden, r]: of the product in front of the activation; gate and up of a gated one share A, B is [E, 2 hidden, r]. */
  up: Tensor;
  /** A [E, r, hidden], B [E, width, r]: of the product behind it. */
  down: Tensor;
}

/**
 * Experts with a low-rank adapter for each, their own weights frozen: what `LoraLinear` is to a linear layer. The output at
 * first is that of the experts alone. Put it in the place of `MixtureOfExperts.experts`. Hu et al., LoRA, arXiv 2106.09685.
 */
export class LoraExperts extends LowRank<StackAdapters> implements ExpertStack {
  /** The experts with the frozen weights. */
  base_layer: Experts;

  constructor(init: Initializer, base: Experts, options: LoraOptions, name?: string) {
    refuseIntegers(base);
    rankOf(options);
    super();
    this.base_layer = base;
    this.add(init, options, name);
  }

  /** Takes another adapter in, which is in use from now on. Throws OptionError for a name that is taken, or no rank. */
  add(init: Initializer, options: LoraOptions, name: string = DEFAULT_ADAPTER): void {
    const r = rankOf(options);
    this.checkNew(name);
    const { base_layer: base } = this;
    base.requiresGrad(false);
    const inner = ({ shape: [E, , K] }: Tensor) => init.parameter([E, r, K], kaimingUniform(K));
    const outer = ({ shape: [E, N] }: Tensor) => init.parameter([E, N, r], constant(0));
    const A = { up: inner(base.up), down: inner(base.down) };
    this.put(name, A, { up: outer(base.up), down: outer(base.down) }, options);
  }

  /** x [T, width] to [T, width], by the choices and weights of `routed`. */
  forward(x: Tensor, routed: Routed): Tensor {
    if (this.rows)
      throw new OptionError(
        "LoraExperts: the rows of a batch share one adapter, for their tokens are sorted by expert. Use one at a time: setAdapter().",
      );
    if (this.merged || this.active === null) return this.base_layer.forward(x, routed);
    const { active } = this;
    return at(this, () => {
      const { upBias, downBias, activation } = this.base_layer;
      const gather = routed.weights.shape[1];
      const pre = this.#product(active, "up", x, upBias, routed.lists, gather);
      const y = this.#product(active, "down", activateExperts(pre, activation), downBias, routed.lists, null);
      return combineTokens(y, routed);
    });
  }

  #product(
    adapter: string,
    name: keyof StackAdapters,
    x: Tensor,
    bias: Tensor | null,
    lists: Tensor,
    gather: number | null,
  ): Tensor {
    const [weight, A, B] = [this.base_layer[name], this.lora_A[adapter][name], this.lora_B[adapter][name]];
    const { dropout: rate } = this.settings(adapter);
    const by = this.scaleOf(adapter);
    if (!this.training || rate === 0) return loraGroupedGemm(x, weight, A, B, lists, { bias, gather, scale: by });
    const h = groupedGemm(dropout(x, rate), A, lists, { gather });
    return add(groupedGemm(x, weight, lists, { bias, gather }), scale(groupedGemm(h, B, lists), by));
  }

  override get foldedWeights(): readonly Tensor[] {
    return [this.base_layer.up, this.base_layer.down];
  }

  protected override fold(adapter: string): void {
    noGrad(() =>
      scope(() => {
        for (const name of ["up", "down"] as const) {
          const delta = matmul(this.lora_B[adapter][name], this.lora_A[adapter][name]);
          const weight = this.base_layer[name];
          writeRows(weight, add(weight, scale(delta, this.scaleOf(adapter))), { dim: 0, position: 0 });
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
