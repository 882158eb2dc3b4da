import { noGrad } from "../autograd/recording.js";
import { OptionError } from "../errors.js";
import { activate } from "../ops/activate.js";
import { add } from "../ops/binary.js";
import { dropout } from "../ops/dropout.js";
import { loraMatmul, loraMerge } from "../ops/lora-matmul.js";
import { type Activation, linear } from "../ops/matmul.js";
import { reshape } from "../ops/reshape.js";
import { scale } from "../ops/unary.js";
import type { Tensor } from "../tensor.js";
import { constant, type Initializer, kaimingUniform } from "./init.js";
import type { Linear } from "./linear.js";
import { type LoraOptions, LowRank, rankOf } from "./low-rank.js";
import { at } from "./module.js";
import { type PatchEmbed, patches } from "./patch-embed.js";
import { QuantizedLinear } from "./quantized-linear.js";

/** Weights under the name of their adapter, as PEFT files have them: `lora_A.default.weight`. */
export interface Adapter {
  /** The one adapter. */
  default: {
    /** A or B. */
    weight: Tensor;
  };
}

/**
 * y = x Wᵀ + b + (alpha / r) (drop(x) Aᵀ) Bᵀ around a layer whose own weights are frozen: A uniform as PyTorch's default,
 * B zero, so the first output is the base layer's. Hu et al., LoRA, arXiv 2106.09685; names of PEFT.
 */
abstract class Lora<Base extends Linear | QuantizedLinear | PatchEmbed> extends LowRank {
  /** The layer with the frozen weights. */
  base_layer: Base;
  /** A: [r, inFeatures], of a patch embedding [r, channels, p, p]. */
  lora_A: Adapter;
  /** B: [outFeatures, r], of a patch embedding [outFeatures, r, 1, 1]. */
  lora_B: Adapter;

  constructor(base: Base, A: Tensor, B: Tensor, options: LoraOptions) {
    super(options);
    base.requiresGrad(false);
    this.base_layer = base;
    this.lora_A = { default: { weight: A } };
    this.lora_B = { default: { weight: B } };
  }

  protected addBranch(sign: 1 | -1): void {
    if (this.base_layer instanceof QuantizedLinear)
      throw new OptionError("merge: a quantised weight cannot take the branch. Merge before it is quantised.");
    noGrad(() =>
      loraMerge(this.base_layer.weight, this.lora_A.default.weight, this.lora_B.default.weight, sign * this.scale),
    );
  }

  /** Base and branch, without an activation: x [..., inFeatures] to [..., outFeatures]. */
  protected product(x: Tensor): Tensor {
    const { base_layer: base } = this;
    if (base instanceof QuantizedLinear) return add(base.forward(x), this.branch(x));
    const { weight, bias } = base;
    const [A, B] = [this.lora_A.default.weight, this.lora_B.default.weight];
    return loraMatmul(x, rows(weight), rows(A), rows(B), {
      bias,
      scale: this.scale,
      dropout: this.training ? this.dropout : 0,
    });
  }

  /** Of itself: beside a quantised base. */
  private branch(x: Tensor): Tensor {
    const dropped = this.training && this.dropout > 0 ? dropout(x, this.dropout) : x;
    const rank = linear(dropped, this.lora_A.default.weight);
    return scale(linear(rank, this.lora_B.default.weight), this.scale);
  }
}

/** A convolution's kernel [out, in, p, p] as a matrix [out, in p p]. */
const rows = (w: Tensor) => (w.rank === 2 ? w : reshape(w, [w.shape[0], w.size / w.shape[0]]));

/** A linear layer with an adapter. The base may be quantised (QLoRA, Dettmers et al., arXiv 2305.14314). */
export class LoraLinear extends Lora<Linear | QuantizedLinear> {
  constructor(init: Initializer, base: Linear | QuantizedLinear, options: LoraOptions) {
    const r = rankOf(options);
    const N = base.weight.shape[0];
    const K = base instanceof QuantizedLinear ? base.inFeatures : base.weight.shape[1];
    super(base, init.parameter([r, K], kaimingUniform(K)), init.parameter([N, r], constant(0)), options);
  }

  /** x [..., inFeatures] to [..., outFeatures]. */
  forward(x: Tensor, activation: Activation = "none"): Tensor {
    if (this.merged) return this.base_layer.forward(x, activation);
    return at(this, () => activate(this.product(x), activation));
  }
}

/** A patch embedding with an adapter. */
export class LoraPatchEmbed extends Lora<PatchEmbed> {
  constructor(init: Initializer, base: PatchEmbed, options: LoraOptions) {
    const r = rankOf(options);
    const [N, channels, p] = base.weight.shape;
    const A = init.parameter([r, channels, p, p], kaimingUniform(channels * p * p));
    super(base, A, init.parameter([N, r, 1, 1], constant(0)), options);
  }

  /** image [B, channels, height, width] to [B, patches, width]. */
  forward(image: Tensor): Tensor {
    if (this.merged) return this.base_layer.forward(image);
    return at(this, () => this.product(patches(image, this.base_layer.weight.shape[2])));
  }
}
