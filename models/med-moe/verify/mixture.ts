/** Gates alone and whole mixtures: choices, losses and gradients. */
import {
  add,
  balanceLoss,
  type Device,
  mul,
  nn,
  reshape,
  scale,
  scope,
  slice,
  softmax,
  sum,
  type Tensor,
  topKRouting,
} from "../../../engine/index.js";
import type { Comparison } from "../../golden/comparison.js";
import { maximum } from "../../golden/sums.js";
import { PhiMlp } from "../../phi/phi.js";
import { SwiGluMlp } from "../../stablelm/stablelm.js";
import type { Family } from "../folder/config.js";
import { storedParts } from "../folder/names.js";
import { ResidualMixture } from "../network/mixture.js";
import type { GoldenFile } from "./golden.js";
import type { GatingCase, LayerCase, Manifest } from "./manifest.js";
import { publishedParts, readPart } from "./parts.js";
import { type Choices, choice, compareChoices } from "./routing.js";

type Tolerance = Manifest["tolerance"];

/** Golden tensors of a gate that are given, not computed. */
export const isGatingInput = (name: string) => /\.(logits|noise|used|d_weight\d)$/.test(name);
/** Those of a mixture. */
export const isLayerInput = (name: string) => /\.param\.|\.(x|d_out|noise)$/.test(name);

/** DeepSpeed's gates: the best expert, dropped at random; or two, of which the second is chosen with noise. */
const GATES = {
  1: { countFirst: true },
  2: { countFirst: true, normalize: true, noise: "gumbelAfterFirst" },
} as const;
const PRIORITIES = { 1: "random", 2: "choice" } as const;

export async function verifyGate(
  device: Device,
  c: Comparison,
  golden: GoldenFile,
  entry: GatingCase,
  tolerance: Tolerance,
): Promise<void> {
  const prefix = `${entry.name}.`;
  const given = (name: string) => (golden.has(prefix + name) ? golden.tensor(device, prefix + name) : null);
  const { logits, routed, gates, loss } = scope(() => {
    const logits = golden.tensor(device, `${prefix}logits`);
    logits.requiresGrad = true;
    const routed = topKRouting(logits, {
      ...GATES[entry.k],
      topK: entry.k,
      ...(entry.drop_tokens && { capacity: entry.capacity, priority: PRIORITIES[entry.k] }),
      noiseValues: given("noise"),
      used: golden.has(`${prefix}used`) ? golden.integers(device, `${prefix}used`) : null,
    });
    const loss = balanceLoss(routed);
    const upstream = Array.from({ length: entry.k }, (_, i) => {
      const weight = slice(routed.weights, { dim: 1, start: i, length: 1 });
      return sum(mul(weight, reshape(given(`d_weight${i + 1}`) as Tensor, weight.shape)));
    });
    add(
      upstream.reduce((a, b) => add(a, b)),
      scale(loss, entry.d_l_aux),
    ).backward();
    return { logits, routed, gates: softmax(logits), loss };
  });
  const [T, E] = logits.shape;
  const choices = { weights: await routed.weights.data(), lists: await routed.lists.data(), T, E, K: entry.k };
  compareChoices(c, prefix, choices, tolerance.forward);
  c.forward(`${prefix}l_aux`, await loss.data(), tolerance.forward);
  c.forward(`${prefix}gates`, await gates.data(), tolerance.forward);
  c.forward(`${prefix}combine`, combineTensor(choices, entry.capacity), tolerance.forward);
  // A saturated gate's gradient is what is left of p - p²: next to 1 an f32 probability is known to 2^-23, and it no better.
  const unit = Math.max(maximum(golden.get(`${prefix}d_logits`).values), (4 * 2 ** -23) / tolerance.gradient);
  c.scaled(`${prefix}d_logits`, await (logits.grad as Tensor).data(), tolerance.gradient, unit);
  for (const t of [logits, gates, loss, ...Object.values(routed)]) t.dispose();
}

/** DeepSpeed's [T, E, C] weights, one per place of an expert. */
function combineTensor(choices: Choices, capacity: number): Float32Array {
  const { T, E, K } = choices;
  const all = new Float32Array(T * E * capacity);
  for (let k = 0; k < K; k++) {
    const { expert, slot, weight } = choice(choices, k);
    expert.forEach((e, t) => {
      if (slot[t] >= 0) all[(t * E + e) * capacity + slot[t]] += weight[t];
    });
  }
  return all;
}

const FAMILIES: Readonly<Record<LayerCase["expert"], Family>> = { swiglu: "stablelm", gelu: "phi" };

/** Where a mixture stands in a model: published names are those of its parameters there. */
const PLACE = "model.layers.0.mlp.";

export async function verifyMixture(
  device: Device,
  c: Comparison,
  golden: GoldenFile,
  entry: LayerCase,
  tolerance: Tolerance,
): Promise<void> {
  const prefix = `${entry.name}.`;
  using mixture = build(device, golden, entry);
  const family = FAMILIES[entry.expert];
  const named = [...mixture.namedParameters()].map(([path, p]): [string, Tensor] => [PLACE + path, p]);
  const parts = publishedParts(named, family);
  writeParameters(golden, entry, named, family);
  const { x, out, loss } = scope(() => {
    const x = golden.tensor(device, `${prefix}x`);
    x.requiresGrad = true;
    const noise = golden.has(`${prefix}noise`) ? golden.tensor(device, `${prefix}noise`) : null;
    const out = mixture.forward(x, { noise });
    const loss = balanceLoss(out.routed);
    add(sum(mul(out.y, golden.tensor(device, `${prefix}d_out`))), scale(loss, entry.d_l_aux)).backward();
    return { x, out, loss };
  });
  const { experts: E } = mixture.options;
  const [T] = out.routed.weights.shape;
  const [weights, lists] = [await out.routed.weights.data(), await out.routed.lists.data()];
  compareChoices(c, prefix, { weights, lists, T, E, K: entry.k }, tolerance.forward);
  c.forward(`${prefix}out`, await out.y.data(), tolerance.forward);
  c.forward(`${prefix}routed`, await out.experts.data(), tolerance.forward);
  c.forward(`${prefix}l_aux`, await loss.data(), tolerance.forward);
  c.gradient(`${prefix}d_x`, await (x.grad as Tensor).data(), tolerance.gradient);
  for (const [name, part] of parts) {
    const expected = `${prefix}grad.${name.slice(PLACE.length)}`;
    const { grad } = part.p;
    if (c.has(expected) && grad) c.gradient(expected, await readPart(grad, part), tolerance.gradient);
  }
  for (const t of [x, out.y, out.experts, loss, ...Object.values(out.routed)]) t.dispose();
}

/** Each parameter is the published tensors one after the other. */
function writeParameters(
  golden: GoldenFile,
  entry: LayerCase,
  named: readonly [string, Tensor][],
  family: Family,
): void {
  for (const [path, p] of named) {
    const parts = storedParts(path, p.shape, family).map(
      ({ name }) => golden.get(`${entry.expert}.param.${name.slice(PLACE.length)}`).values,
    );
    p.write(parts.flatMap((values) => Array.from(values)));
  }
}

function build(device: Device, golden: GoldenFile, entry: LayerCase): nn.MixtureOfExperts {
  const { expert, k, drop_tokens: drop, capacity_factor: factor } = entry;
  const params = `${expert}.param.deepspeed_moe`;
  const [experts, width] = golden.get(`${params}.gate.wg.weight`).shape;
  const gated = expert === "swiglu";
  const [hidden] = golden.get(`${params}.experts.deepspeed_experts.0.${gated ? "gate_proj" : "fc1"}.weight`).shape;
  const init = new nn.Initializer(device, 0, { empty: true });
  const Mlp = gated ? SwiGluMlp : PhiMlp;
  const options: nn.MixtureOfExpertsOptions = {
    ...{ width, hidden, experts },
    topK: k,
    activation: gated ? "swiglu" : "geluTanh",
    bias: !gated,
    router: { ...GATES[k], bias: true, ...(drop && { priority: PRIORITIES[k] }) },
    capacity: drop ? { factor } : null,
    shared: entry.meta ? new Mlp(init, { width, hidden, initializerRange: 0 }) : null,
  };
  return entry.residual ? new ResidualMixture(init, options) : new nn.MixtureOfExperts(init, options);
}
