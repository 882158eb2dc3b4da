/** Mixtures of experts in the places of MLPs. */
import {
  add,
  mul,
  nn,
  noGrad,
  OptionError,
  reshape,
  scale,
  scope,
  slice,
  softmax,
  type Tensor,
  writeRows,
} from "../../../engine/index.js";
import type { PhiMlp } from "../../phi/phi.js";
import { SwiGluMlp } from "../../stablelm/stablelm.js";
import type { MedMoeConfig, MoeConfig } from "../folder/config.js";
import type { MedMoeNetwork } from "./network.js";
import type { DomainRouter } from "./router.js";

/** What a checkpoint's mixtures have. */
export interface MixtureForm {
  /** An expert that every token goes through, weight 1; the old release has none. */
  readonly meta: boolean;
  /** Whether routers have biases; those of the old release have none. */
  readonly routerBias: boolean;
}

/** As Med-MoE is published. */
export const PUBLISHED_FORM: MixtureForm = { meta: true, routerBias: true };

type Mlp = SwiGluMlp | PhiMlp;

/**
 * DeepSpeed's residual mixture with a meta expert, whose weights the residual branch shares: c₀ routed + c₁ meta + meta with
 * c = softmax(coefficient(x)).
 */
export class ResidualMixture extends nn.MixtureOfExperts {
  coefficient: nn.Linear;

  /** `first` gives the first values of the coefficient, where those of all else come from somewhere. */
  constructor(init: nn.Initializer, options: nn.MixtureOfExpertsOptions, first: nn.Initializer = init) {
    super(init, options);
    if (!this.shared) throw new OptionError("A residual mixture (moe.use_residual) needs a meta expert.");
    this.coefficient = new nn.Linear(first, options.width, 2);
  }

  override forward(x: Tensor, given?: nn.MoeInputs): nn.MoeOutput {
    const out = super.forward(x, given);
    const c = softmax(this.coefficient.forward(x));
    const column = (i: number) => slice(c, { dim: -1, start: i, length: 1 });
    // out.y is routed + meta, and c₀ = 1 - c₁.
    const meta = (this.shared as Mlp).forward(x);
    return { ...out, y: add(mul(column(0), out.y), mul(scale(column(1), 2), meta)) };
  }
}

/**
 * Puts mixtures into the layers that the network's config names, with weights as `init` gives them: what a checkpoint of
 * mixtures is loaded into. The layer's MLP becomes the meta expert.
 */
export function addMixtures(network: MedMoeNetwork, init: nn.Initializer, form: MixtureForm): void {
  const { config, model } = network;
  const { moe } = config;
  moe?.layers.forEach((layer, i) => {
    const mlp = model.layers[layer].mlp as Mlp;
    model.layers[layer].mlp = mixture(init, config, moe, moe.experts[i], form, form.meta ? mlp : null);
    if (!form.meta) mlp.dispose();
  });
}

/**
 * Turns dense layers into mixtures, as stage 3 starts: each expert is a copy of the layer's MLP, the meta expert is that MLP
 * itself, and every mixture gets the same router, frozen. So y = (p + 1) mlp(x) at first: the function is not preserved. Residual
 * mixtures also weigh their branches by a linear map, whose first values depend on `seed`.
 */
export function toMixtures(network: MedMoeNetwork, moe: MoeConfig, router: DomainRouter, { seed = 0 } = {}): void {
  const { config, model } = network;
  if (config.moe) throw new OptionError("The model has mixtures already: convert one of dense layers.");
  checkRouter(router.fc1.weight.shape, config.decoder.width, moe, "The router");
  const { weight } = network.lm_head;
  const dtype = weight.dtype as nn.Initializer["dtype"];
  const init = new nn.Initializer(weight.device, seed, { dtype, empty: true });
  const first = new nn.Initializer(weight.device, seed, { dtype });
  moe.layers.forEach((layer, i) => {
    const mlp = model.layers[layer].mlp as Mlp;
    const made = mixture(init, config, moe, moe.experts[i], PUBLISHED_FORM, mlp, first);
    noGrad(() =>
      scope(() => {
        copyExperts(mlp, made.experts as nn.Experts, moe.experts[i]);
        copyRows(made.wg.weight, [router.fc1.weight]);
        copyRows(made.wg.bias as Tensor, [router.fc1.bias as Tensor]);
      }),
    );
    made.wg.requiresGrad(false);
    model.layers[layer].mlp = made;
  });
  network.config = { ...config, moe };
}

/** Throws OptionError where a router [E, width] is not one for these mixtures. */
export function checkRouter(shape: readonly number[], width: number, moe: MoeConfig, name: string): void {
  const [experts, from] = shape;
  const other = moe.experts.find((count) => count !== experts);
  if (shape.length === 2 && from === width && other === undefined) return;
  throw new OptionError(
    `${name} is [${shape.join(", ")}]; the mixtures of this model need [${other ?? moe.experts[0]}, ${width}] (experts, width). Give the router that was trained on this model.`,
  );
}

function mixture(
  init: nn.Initializer,
  { family, decoder }: MedMoeConfig,
  { topK, residual }: MoeConfig,
  experts: number,
  { routerBias }: MixtureForm,
  shared: Mlp | null,
  first = init,
): nn.MixtureOfExperts {
  const { width, hidden } = decoder;
  const published = nn.moePresets.medMoe({ width, hidden, experts, topK });
  const options: nn.MixtureOfExpertsOptions = {
    ...published,
    activation: family === "stablelm" ? "swiglu" : "geluTanh",
    bias: family === "phi",
    router: { ...published.router, bias: routerBias },
    shared,
  };
  return residual ? new ResidualMixture(init, options, first) : new nn.MixtureOfExperts(init, options);
}

/** Each expert of the stacks becomes the MLP. */
function copyExperts(mlp: Mlp, stacks: nn.Experts, experts: number): void {
  const each = <T>(...tensors: T[]) => Array.from({ length: experts }, () => tensors).flat();
  if (mlp instanceof SwiGluMlp) {
    copyRows(stacks.up, each(mlp.gate_proj.weight, mlp.up_proj.weight));
    copyRows(stacks.down, each(mlp.down_proj.weight));
    return;
  }
  copyRows(stacks.up, each(mlp.fc1.weight));
  copyRows(stacks.upBias as Tensor, each(mlp.fc1.bias as Tensor));
  copyRows(stacks.down, each(mlp.fc2.weight));
  copyRows(stacks.downBias as Tensor, each(mlp.fc2.bias as Tensor));
}

/** `target` becomes the values of `parts`, one after the other. */
function copyRows(target: Tensor, parts: readonly Tensor[]): void {
  const rows = reshape(target, [parts.length, target.size / parts.length]);
  parts.forEach((part, position) => {
    writeRows(rows, reshape(part, [1, part.size]), { dim: 0, position });
  });
}
