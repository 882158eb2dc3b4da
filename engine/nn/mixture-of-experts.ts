import { listPlaces } from "../../kernels/top-k-routing/lists.js";
import { refuseUnknown, requireObject, requireTensor } from "../arguments.js";
import { autocast } from "../dispatch/autocast.js";
import { describe, OptionError, ShapeError } from "../errors.js";
import { add, mul } from "../ops/binary.js";
import { cast } from "../ops/cast.js";
import { linear } from "../ops/matmul.js";
import { randLike } from "../ops/random.js";
import { reshape } from "../ops/reshape.js";
import { checkRouting, type Routed, type RoutingOptions, topKRouting } from "../ops/top-k-routing.js";
import { keep } from "../scope.js";
import { type Tensor, view } from "../tensor.js";
import { type ExpertStack, Experts, type ExpertsOptions } from "./experts.js";
import { constant, type Initializer, requireInitializer } from "./init.js";
import { Linear } from "./linear.js";
import { at, Module } from "./module.js";
import type { Layer } from "./sequential.js";

/** How a mixture's router scores and chooses: options of `topKRouting`, and what the layer does before it. */
export interface RouterOptions extends Omit<RoutingOptions, "topK" | "capacity"> {
  /** Who comes first in an expert's rows, and so stays. Default: choice (first choices before second ones) with a capacity, else token. */
  priority?: RoutingOptions["priority"];
  /** Whether the router's linear map has a bias. Default false. */
  bias?: boolean;
  /** Whether a value for each expert is added to the scores for the choice alone (DeepSeek-V3): `correction`, zeros at first. Default false. */
  correction?: boolean;
  /** In training, what the router sees is multiplied by uniform numbers in [1 - jitter, 1 + jitter]. Default 0. */
  jitter?: number;
}

/** DeepSpeed's capacity: an expert keeps at most max(⌈factor · topK · tokens / experts⌉, minimum) choices. */
export interface CapacityOptions {
  /** In training. */
  factor: number;
  /** In evaluation. Default: `factor`. */
  evalFactor?: number;
  /** Default 0. */
  minimum?: number;
}

/** Sizes and kind of a mixture. `nn.moePresets` has those of published models. */
export interface MixtureOfExpertsOptions extends ExpertsOptions {
  /** Experts of a token. */
  topK: number;
  /** Default: softmax over all, raw weights, no bias. */
  router?: RouterOptions;
  /** Absent or null: no choice is dropped. */
  capacity?: CapacityOptions | null;
  /** An expert that every token has, with weight 1: Med-MoE's meta expert, shared experts. The mixture owns it from then on. */
  shared?: Layer | null;
}

/** What a forward may be given besides x, in place of what it would draw. */
export interface MoeInputs {
  /** f32 [T, E]: Gumbel noise, or the uniform numbers of priority random. */
  noise?: Tensor | null;
  /** i32 [T]: 0 for tokens that no expert sees. */
  used?: Tensor | null;
}

/** What a mixture gives. */
export interface MoeOutput {
  /** Of the shape and type of x. */
  y: Tensor;
  /** Without the shared expert, as [tokens, width]. */
  experts: Tensor;
  /** Which experts the tokens have: for the losses (`balanceLoss`, `zLoss`), and to be read. */
  routed: Routed;
}

/** What the router did in one forward. */
export interface MoeStatistics {
  /** Rows of x. */
  tokens: number;
  /** Choices of each expert before any were dropped: first choices alone where the router counts those. */
  counts: number[];
  /** Choices that each expert kept. */
  kept: number[];
  /** Choices that were dropped; tokens that choose nobody (`used`) have none. */
  dropped: number;
  /** Mean probability of each expert. */
  probabilities: number[];
  /** E Σ (share of choices) (mean probability): 1 where the load is even and each token has one expert. */
  balanceLoss: number;
  /** Mean of (log Σ exp logits)². */
  zLoss: number;
}

/**
 * A layer of E experts of which each token has `topK`, chosen by a linear router: y = Σ weight · expert(x) (+ shared(x)). The
 * router computes in f32 whatever the type of the rest. All of it runs on the device, forward and backward; nothing waits.
 *
 * Losses are not added by themselves: `balanceLoss(routed)` and `zLoss(routed)` with the factors you choose. With a frozen
 * router (`wg.requiresGrad(false)`) gradients still flow through its weights to x.
 */
export class MixtureOfExperts extends Module {
  /** The router: weight [E, width], bias [E]. */
  wg: Linear;
  /** [E], added to the scores for the choice alone; null where the router has none. No gradient: see `balance`. */
  correction: Tensor | null;
  /** `Experts`, or what a tuning method put in their place. */
  experts: ExpertStack;
  /** What every token has. */
  shared: Layer | null;
  /** As given. */
  readonly options: Readonly<Omit<MixtureOfExpertsOptions, "shared" | "weightInit">>;
  #last: { lists: Tensor; sums: Tensor; tokens: number } | null = null;

  constructor(init: Initializer, options: MixtureOfExpertsOptions) {
    super();
    checkArguments(init, options);
    const { shared = null, weightInit: _, ...rest } = options;
    const { experts: E, width, router = {} } = options;
    checkOptions(options);
    this.wg = new Linear(init, width, E, { bias: router.bias ?? false });
    this.correction = router.correction ? init.parameter([E], constant(0)) : null;
    if (this.correction) this.correction.requiresGrad = false;
    this.experts = new Experts(init, options);
    this.shared = shared;
    this.options = rest;
  }

  /** x [..., width]; every row is a token. */
  forward(x: Tensor, given: MoeInputs = {}): MoeOutput {
    return at(this, () => {
      const { width } = this.options;
      requireTensor(NAME, x, "x");
      if (x.rank < 1 || x.shape[x.rank - 1] !== width)
        throw new ShapeError(`MixtureOfExperts: ${describe("x", x.shape)} must have ${width} columns.`);
      const rows = x.rank === 2 ? x : reshape(x, [x.size / width, width]);
      const routed = this.route(rows, given);
      const experts = this.experts.forward(rows, routed);
      const mixed = x.rank === 2 ? experts : reshape(experts, x.shape);
      return { y: this.shared ? add(mixed, this.shared.forward(x)) : mixed, experts, routed };
    });
  }

  /** The choices of x [T, width] alone. */
  route(x: Tensor, { noise = null, used = null }: MoeInputs = {}): Routed {
    const { router = {}, topK, experts: E, capacity = null } = this.options;
    const { bias: _bias, correction: _correction, jitter = 0, ...rest } = router;
    const { priority = capacity ? "choice" : "token" } = router;
    const [T] = x.shape;
    const logits = autocast("f32", () => {
      const seen = jitter > 0 && this.training ? jittered(cast(x, "f32"), jitter) : x;
      return linear(seen, this.wg.weight, this.wg.bias);
    });
    const routed = topKRouting(logits, {
      ...rest,
      topK,
      capacity: capacity && capacityOf(capacity, this.training, T, E, topK),
      priority,
      bias: this.correction && cast(this.correction, "f32"),
      noiseValues: noise,
      used,
    });
    this.#remember(routed, T);
    return routed;
  }

  protected override state(): readonly Tensor[] {
    return this.correction ? [this.correction] : [];
  }

  /** Of the newest forward; null before the first. Waits for the device. */
  async statistics(): Promise<MoeStatistics | null> {
    if (!this.#last) return null;
    const { tokens, ...last } = this.#last;
    const [lists, sums] = await Promise.all([last.lists.data(), last.sums.data()]);
    const { experts: E, topK, router } = this.options;
    const offsets = Array.from(lists.subarray(0, E + 1));
    const places = listPlaces(E, tokens * topK);
    const counts = Array.from(lists.subarray(places.counts, places.counts + E));
    const made = counts.reduce((a, b) => a + b) * (router?.countFirst ? topK : 1);
    return {
      tokens,
      counts,
      kept: Array.from({ length: E }, (_, e) => offsets[e + 1] - offsets[e]),
      dropped: made - offsets[E],
      probabilities: Array.from(sums.subarray(0, E), (sum) => sum / Math.max(1, tokens)),
      balanceLoss: sums[E],
      zLoss: sums[E + 1],
    };
  }

  /**
   * DeepSeek-V3's balancing without a loss, after a step: `correction` rises by `rate` for experts with fewer choices than the
   * mean in the newest forward, and falls for those with more. Wang et al., arXiv 2408.15664.
   */
  async balance(rate: number): Promise<void> {
    const statistics = await this.statistics();
    if (!this.correction)
      throw new OptionError("MixtureOfExperts.balance: the router has no correction. Set router.correction.");
    if (!statistics) return;
    const { counts } = statistics;
    const mean = counts.reduce((a, b) => a + b, 0) / counts.length;
    const before = await this.correction.data();
    this.correction.write(counts.map((count, e) => before[e] + rate * Math.sign(mean - count)));
  }

  override dispose(): void {
    super.dispose();
    this.#forget();
  }

  /** Holds what `statistics` reads: a few numbers for each token. */
  #remember({ lists, sums }: Routed, tokens: number): void {
    if (lists.device.mode.warming) return;
    this.#forget();
    this.#last = { lists: keep(view(lists, lists.shape)), sums: keep(view(sums, sums.shape)), tokens };
  }

  #forget(): void {
    this.#last?.lists.dispose();
    this.#last?.sums.dispose();
    this.#last = null;
  }
}

const jittered = (x: Tensor, by: number) => mul(x, randLike(x, { low: 1 - by, high: 1 + by }));

/** As DeepSpeed computes it: the product of two f32 numbers, rounded up. */
export function capacityOf(
  { factor, evalFactor = factor, minimum = 0 }: CapacityOptions,
  training: boolean,
  tokens: number,
  experts: number,
  topK: number,
): number {
  const f = Math.fround((training ? factor : evalFactor) * topK);
  return Math.max(Math.ceil(Math.fround(Math.fround(tokens / experts) * f)), minimum);
}

/** Every option by its name: what is none of them is refused. */
const OPTIONS: Readonly<Record<keyof MixtureOfExpertsOptions, 1>> = {
  width: 1,
  hidden: 1,
  experts: 1,
  topK: 1,
  activation: 1,
  bias: 1,
  weightInit: 1,
  router: 1,
  capacity: 1,
  shared: 1,
};
const ROUTER: Readonly<Record<keyof RouterOptions, 1>> = {
  score: 1,
  normalize: 1,
  epsilon: 1,
  scale: 1,
  groups: 1,
  topGroups: 1,
  noise: 1,
  priority: 1,
  countFirst: 1,
  bias: 1,
  correction: 1,
  jitter: 1,
};
const CAPACITY: Readonly<Record<keyof CapacityOptions, 1>> = { factor: 1, evalFactor: 1, minimum: 1 };

const NAME = "MixtureOfExperts";

function checkArguments(init: Initializer, options: MixtureOfExpertsOptions): void {
  requireInitializer(NAME, init);
  requireObject(NAME, options, "the second argument, { width, hidden, experts, topK, activation, ... },");
  refuseUnknown(NAME, options, OPTIONS);
  const { router, capacity, shared } = options;
  if (router !== undefined) requireObject(NAME, router, "router, { score, normalize, ... },");
  if (capacity !== undefined && capacity !== null) requireObject(NAME, capacity, "capacity, { factor, ... }, or null");
  refuseUnknown(NAME, router ?? {}, ROUTER, "router.");
  refuseUnknown(NAME, capacity ?? {}, CAPACITY, "capacity.");
  if (shared && typeof shared.forward !== "function")
    throw new OptionError(`${NAME}: shared must be a layer, a module with a forward, or null.`);
}

function checkOptions({ experts, topK, router = {}, capacity }: MixtureOfExpertsOptions): void {
  const fail = (text: string) => {
    throw new OptionError(`MixtureOfExperts: ${text}`);
  };
  checkRouting("MixtureOfExperts", experts, { ...router, topK });
  const { jitter = 0 } = router;
  if (!(jitter >= 0 && jitter < 1)) fail(`router.jitter ${jitter} is not in [0, 1).`);
  if (!capacity) return;
  const { factor, evalFactor = factor, minimum = 0 } = capacity;
  if (![factor, evalFactor].every((f) => Number.isFinite(f) && f >= 0))
    fail(`capacity factors ${factor} and ${evalFactor} must be finite numbers from 0 on; capacity null drops nothing.`);
  if (!Number.isInteger(minimum) || minimum < 0) fail(`capacity.minimum ${minimum} must be a whole number from 0 on.`);
}
