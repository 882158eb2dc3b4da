import { noGrad } from "../autograd/recording.js";
import { OptionError } from "../errors.js";
import { activate } from "../ops/activate.js";
import { mul } from "../ops/binary.js";
import { concat } from "../ops/concat.js";
import { ones } from "../ops/fill.js";
import { indexSelect } from "../ops/index-select.js";
import type { Activation } from "../ops/matmul.js";
import { reshape } from "../ops/reshape.js";
import { writeRows } from "../ops/write-rows.js";
import { scope } from "../scope.js";
import { type Tensor, tensor } from "../tensor.js";
import { AdapterLayer, DEFAULT_ADAPTER } from "./adapter-layer.js";
import { constant, type Initializer } from "./init.js";
import type { Linear, LinearLayer } from "./linear.js";
import { at } from "./module.js";

/** How IA3 scales a layer. */
export interface Ia3Options {
  /** Whether the factors stand on the inputs of the layer (PEFT: `feedforward_modules`), else on its outputs, bias included. Default false. */
  feedforward?: boolean;
}

/**
 * A linear layer whose outputs, l ∘ (x Wᵀ + b), or inputs, (l ∘ x) Wᵀ + b, are scaled by learned factors, 1 at first; its own weights
 * are frozen. Liu et al., (IA)³, arXiv 2205.05638; names and shapes of PEFT.
 */
export class Ia3Linear extends AdapterLayer implements LinearLayer {
  base_layer: Linear;
  /** The factors by adapter: [outFeatures, 1], or [1, inFeatures] on the inputs. */
  ia3_l: Record<string, Tensor> = {};
  /** Whether the factors stand on the inputs. */
  readonly feedforward: boolean;

  constructor(init: Initializer, base: Linear, { feedforward = false }: Ia3Options = {}, name?: string) {
    super();
    this.base_layer = base;
    this.feedforward = feedforward;
    this.add(init, name);
  }

  /** Takes other factors in, which are in use from now on. Throws OptionError for a name that is taken. */
  add(init: Initializer, name: string = DEFAULT_ADAPTER): void {
    this.checkNew(name);
    this.base_layer.requiresGrad(false);
    const [N, K] = this.base_layer.weight.shape;
    this.ia3_l[name] = init.parameter(this.feedforward ? [1, K] : [N, 1], constant(1));
    this.use(name);
  }

  override get adapters(): readonly string[] {
    return Object.keys(this.ia3_l);
  }

  override adapterParameters(name: string): readonly Tensor[] {
    this.check(name);
    return [this.ia3_l[name]];
  }

  override remove(name: string): void {
    this.checkRemoved(name);
    this.ia3_l[name].dispose();
    delete this.ia3_l[name];
  }

  override get foldedWeights(): readonly Tensor[] {
    const { weight, bias } = this.base_layer;
    return this.feedforward || !bias ? [weight] : [weight, bias];
  }

  /** W ∘ l: columns of inputs, rows (and the bias) of outputs. */
  protected override fold(name: string): void {
    noGrad(() =>
      scope(() => {
        for (const weight of this.foldedWeights) {
          const l = weight.rank === 1 ? reshape(this.ia3_l[name], [weight.size]) : this.ia3_l[name];
          writeRows(weight, mul(weight, l), { dim: 0, position: 0 });
        }
      }),
    );
  }

  /** x [..., inFeatures] to [..., outFeatures]. */
  forward(x: Tensor, activation: Activation = "none"): Tensor {
    if (this.merged || (this.active === null && !this.rows)) return this.base_layer.forward(x, activation);
    return at(this, () => {
      if (this.feedforward) return this.base_layer.forward(mul(x, this.#factors(x)), activation);
      const y = this.base_layer.forward(x);
      return activate(mul(y, this.#factors(y)), activation);
    });
  }

  /** [n] of the adapter in use, or [..., n], a row for each token. */
  #factors(x: Tensor): Tensor {
    const { active, rows } = this;
    const n = x.shape[x.rank - 1];
    if (!rows) {
      if (active === null) throw new OptionError("Ia3Linear: no adapter is in use.");
      return reshape(this.ia3_l[active], [n]);
    }
    const { names, places } = rows.sorted(x.device, x.size / n);
    const table = concat(
      [ones([1, n], { device: x.device }), ...names.map((name) => reshape(this.ia3_l[name], [1, n]))],
      0,
    );
    const index = tensor(
      places.map((e) => e + 1),
      { device: x.device },
    );
    return reshape(indexSelect(table, 0, index), x.shape);
  }
}
