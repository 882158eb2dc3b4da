import { noGrad } from "../autograd/recording.js";
import { OptionError } from "../errors.js";
import { activate } from "../ops/activate.js";
import { add } from "../ops/binary.js";
import { stack } from "../ops/concat.js";
import { dropout } from "../ops/dropout.js";
import { groupedGemm } from "../ops/grouped-gemm.js";
import { loraMatmul, loraMerge } from "../ops/lora-matmul.js";
import { type Activation, linear } from "../ops/matmul.js";
import { pad } from "../ops/pad.js";
import { reshape } from "../ops/reshape.js";
import { combineTokens } from "../ops/token-permute.js";
import { scale } from "../ops/unary.js";
import { type Tensor, tensor } from "../tensor.js";
import { DEFAULT_ADAPTER } from "./adapter-layer.js";
import type { AdapterRows } from "./adapter-rows.js";
import { constant, type Initializer, kaimingUniform } from "./init.js";
import type { Linear, LinearLayer } from "./linear.js";
import { type LoraOptions, LowRank, rankOf } from "./low-rank.js";
import { at } from "./module.js";
import { type PatchEmbed, patches } from "./patch-embed.js";
import { QuantizedLinear } from "./quantized-linear.js";

/** A or B of an adapter, as PEFT files have them: `lora_A.default.weight`. */
export interface LoraMatrix {
  /** A: [r, inFeatures], of a patch embedding [r, channels, p, p]. B: [outFeatures, r], of a patch embedding [outFeatures, r, 1, 1]. */
  weight: Tensor;
}

/**
 * y = x Wᵀ + b + (alpha / r) (drop(x) Aᵀ) Bᵀ around a layer whose own weights are frozen: A uniform as PyTorch's default,
 * B zero, so the first output is the base layer's. Hu et al., LoRA, arXiv 2106.09685; names of PEFT.
 */
abstract class Lora<Base extends Linear | QuantizedLinear | PatchEmbed> extends LowRank<LoraMatrix> {
  base_layer: Base;

  constructor(base: Base) {
    super();
    this.base_layer = base;
  }

  /** Takes another adapter in, which is in use from now on. Throws OptionError for a name that is taken, or no rank. */
  add(init: Initializer, options: LoraOptions, name: string = DEFAULT_ADAPTER): void {
    const r = rankOf(options);
    this.checkNew(name);
    this.base_layer.requiresGrad(false);
    const [a, b] = loraShapes(this.base_layer, r);
    const fanIn = a.slice(1).reduce((product, n) => product * n, 1);
    const A = { weight: init.parameter(a, kaimingUniform(fanIn)) };
    this.put(name, A, { weight: init.parameter(b, constant(0)) }, options);
  }

  override get foldedWeights(): readonly Tensor[] {
    return this.base_layer instanceof QuantizedLinear ? [] : [this.base_layer.weight];
  }

  protected override fold(name: string): void {
    if (this.base_layer instanceof QuantizedLinear)
      throw new OptionError("merge: a quantised weight cannot take the branch. Merge before it is quantised.");
    const { weight } = this.base_layer;
    noGrad(() => loraMerge(weight, this.lora_A[name].weight, this.lora_B[name].weight, this.scaleOf(name)));
  }

  /** Base and branch, without an activation: x [..., inFeatures] to [..., outFeatures]. */
  protected product(x: Tensor): Tensor {
    const { base_layer: base, active, rows } = this;
    if (rows && rows.names.length > 0) return add(this.base(x), this.mixed(x, rows));
    if (rows || active === null) return this.base(x);
    const [A, B] = [this.lora_A[active].weight, this.lora_B[active].weight];
    const rate = this.training ? this.settings(active).dropout : 0;
    if (base instanceof QuantizedLinear) {
      const dropped = rate > 0 ? dropout(x, rate) : x;
      return add(base.forward(x), scale(linear(linear(dropped, A), B), this.scaleOf(active)));
    }
    const { weight, bias } = base;
    return loraMatmul(x, flat(weight), flat(A), flat(B), { bias, scale: this.scaleOf(active), dropout: rate });
  }

  private base(x: Tensor): Tensor {
    const { base_layer: base } = this;
    return base instanceof QuantizedLinear ? base.forward(x) : linear(x, flat(base.weight), base.bias);
  }

  /** The branches of all adapters that rows have: tokens sorted by adapter, two grouped products, and back with the scales. */
  private mixed(x: Tensor, rows: AdapterRows): Tensor {
    const K = x.shape[x.rank - 1];
    const tokens = reshape(x, [x.size / K, K]);
    const { names, lists, places } = rows.sorted(x.device, tokens.shape[0]);
    const ranks = names.map((name) => this.settings(name).r);
    const R = Math.max(...ranks);
    const N = this.base_layer.weight.shape[0];
    // Adapters of smaller rank get rows and columns of zeros.
    const wider = (t: Tensor, dim: 0 | 1) =>
      t.shape[dim] === R ? t : pad(t, { dim, before: 0, after: R - t.shape[dim] });
    const A = stack(names.map((name) => wider(flat(this.lora_A[name].weight), 0)));
    const B = stack(names.map((name) => wider(flat(this.lora_B[name].weight), 1)));
    const scales = tensor(
      Float32Array.from(places, (e) => (e < 0 ? 0 : this.scaleOf(names[e]))),
      { device: x.device, shape: [places.length, 1] },
    );
    const rate = this.training ? this.commonDropout(names) : 0;
    const h = groupedGemm(rate > 0 ? dropout(tokens, rate) : tokens, A, lists, { gather: 1 });
    const sums = tensor(new Float32Array(names.length + 2), { device: x.device });
    return reshape(combineTokens(groupedGemm(h, B, lists), { lists, weights: scales, sums }), [
      ...x.shape.slice(0, -1),
      N,
    ]);
  }

  /** One mask is drawn for all tokens. */
  private commonDropout(names: readonly string[]): number {
    const rates = new Set(names.map((name) => this.settings(name).dropout));
    if (rates.size > 1)
      throw new OptionError(
        `LoRA: in training, adapters of one batch share their dropout; here it is ${[...rates].join(", ")}. Train them one at a time, or call eval().`,
      );
    return [...rates][0];
  }
}

/** Shapes of A and B beside a layer, for rank r. */
export function loraShapes(
  base: Linear | QuantizedLinear | PatchEmbed,
  r: number,
): readonly [A: number[], B: number[]] {
  const [N, ...inner] = base.weight.shape;
  if (inner.length > 1)
    return [
      [r, ...inner],
      [N, r, 1, 1],
    ];
  return [
    [r, base instanceof QuantizedLinear ? base.inFeatures : inner[0]],
    [N, r],
  ];
}

/** A convolution's kernel [out, in, p, p] as a matrix [out, in p p]. */
const flat = (w: Tensor) => (w.rank === 2 ? w : reshape(w, [w.shape[0], w.size / w.shape[0]]));

/** A linear layer with adapters. The base may be quantised (QLoRA, Dettmers et al., arXiv 2305.14314). */
export class LoraLinear extends Lora<Linear | QuantizedLinear> implements LinearLayer {
  constructor(init: Initializer, base: Linear | QuantizedLinear, options: LoraOptions, name?: string) {
    super(base);
    this.add(init, options, name);
  }

  /** x [..., inFeatures] to [..., outFeatures]. */
  forward(x: Tensor, activation: Activation = "none"): Tensor {
    if (this.merged) return this.base_layer.forward(x, activation);
    return at(this, () => activate(this.product(x), activation));
  }
}

/** A patch embedding with adapters. */
export class LoraPatchEmbed extends Lora<PatchEmbed> {
  constructor(init: Initializer, base: PatchEmbed, options: LoraOptions, name?: string) {
    super(base);
    this.add(init, options, name);
  }

  /** image [B, channels, height, width] to [B, patches, width]. */
  forward(image: Tensor): Tensor {
    if (this.merged) return this.base_layer.forward(image);
    return at(this, () => this.product(patches(image, this.base_layer.weight.shape[2])));
  }
}
