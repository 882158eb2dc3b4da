/** A model of the folder with one or two experts per token: forward, gradients, AdamW steps, an answer, the router's training. */
import {
  add,
  argmax,
  crossEntropy,
  type Device,
  nn,
  noGrad,
  optim,
  reshape,
  scope,
  slice,
  type Tensor,
  tensor,
  zeros,
} from "../../../engine/index.js";
import { KeyValueCache } from "../../decoder/key-value-cache.js";
import { loadMedMoe } from "../folder/load.js";
import { IMAGE_TOKEN } from "../input/image-tokens.js";
import type { Spliced } from "../network/network.js";
import { DomainRouter, pooledFeature } from "../network/router.js";
import { selectTrainable } from "../training/stages.js";
import { auxLoss, deviceOf, type ModelRun, samplesOf } from "./batch.js";
import { publishedParts, readPart } from "./parts.js";
import { type Probe, probe } from "./probe.js";
import { compareChoices } from "./routing.js";
import { adamwSteps } from "./steps.js";

/** Golden tensors that are given, not computed. */
export const isInput = (name: string) =>
  /^(input_ids|attention_mask|labels|pixel_values|moe\.\d+\.gumbel)$/.test(name) ||
  /^(generate\.(prompt_ids|pixel_values)|router\.(labels|before\..*))$/.test(name);

export async function verifyModel(
  folder: string,
  device: Device,
  { golden, manifest, topK, c }: Omit<ModelRun, "network">,
): Promise<void> {
  const { network } = await loadMedMoe(folder, { device, topK });
  using _network = network;
  const run = { network, golden, manifest, topK, c };
  await vision(run);
  if (golden.has("generate.ids")) await greedy(run);
  if (golden.has("router.pooled")) await routerTraining(run);
  // Last: it changes the weights.
  await training(run);
}

async function vision({ network, golden, manifest, c }: ModelRun): Promise<void> {
  const { selected, projected } = noGrad(() =>
    scope(() => {
      const pixels = golden.tensor(deviceOf(network), "pixel_values");
      const selected = network.image_tower.forward(pixels, network.config.vision.feature);
      return { selected, projected: network.mm_projector.forward(selected) };
    }),
  );
  for (const [name, t] of Object.entries({ selected, projected })) {
    c.forward(`vision.${name}`, await t.data(), manifest.tolerance.forward);
    t.dispose();
  }
}

async function training(run: ModelRun): Promise<void> {
  const { network } = run;
  const parts = publishedParts(network.namedParameters(), network.config.family);
  const { probes, remove } = probe(run);
  try {
    await forward(run, probes);
    for (const [path, p] of network.namedParameters()) p.requiresGrad = !path.startsWith("image_tower.");
    await gradients(run, parts);
  } finally {
    remove();
  }
  selectTrainable(network, "moe");
  const again = probe(run);
  try {
    await adamwSteps(run, parts);
  } finally {
    network.zeroGrad();
    again.remove();
  }
}

/** Everything between the images and the loss. */
async function forward(run: ModelRun, probes: ReadonlyMap<number, Probe>): Promise<void> {
  const { network, golden, manifest, c, topK } = run;
  const { forward: tolerance } = manifest.tolerance;
  const compare = async (name: string, t: Tensor) => {
    c.forward(name, await t.data(), tolerance);
    t.dispose();
  };
  for (const watched of probes.values()) watched.watching = true;
  const { hidden, labels, ...rest } = noGrad(() =>
    scope(() => {
      const { embeds, mask, labels } = network.splice(
        samplesOf(golden),
        golden.tensor(deviceOf(network), "pixel_values"),
      );
      const { states, hidden } = network.states(embeds, { mask, hidden: true });
      const seen = mask ?? tensor(new Int32Array(embeds.size / embeds.shape[2]).fill(1), { device: embeds.device });
      return { hidden, labels, mask: seen, states, logits: network.logits(states) };
    }),
  );
  for (const watched of probes.values()) watched.watching = false;
  c.ids("spliced.labels", labels as Int32Array);
  c.ids("spliced.attention_mask", await rest.mask.data());
  rest.mask.dispose();
  await compare("final_norm", rest.states);
  await compare("logits", rest.logits);
  for (const [i, t] of hidden.entries()) await compare(`hidden.${i}`, t);
  for (const [layer, { seen, inner }] of probes) {
    if (!seen) continue;
    const prefix = `moe.${layer}.`;
    const { experts: E } = inner.options;
    const [weights, lists] = [await seen.weights.data(), await seen.lists.data()];
    compareChoices(c, prefix, { weights, lists, T: weights.length / topK, E, K: topK }, tolerance);
    for (const name of ["logits", "routed", "meta"] as const) {
      const t = seen[name];
      if (t) c.forward(`${prefix}${name}`, await t.data(), tolerance);
    }
    c.forward(`${prefix}l_aux`, await seen.balanceLoss.data(), tolerance);
  }
}

/** Of the loss with everything trainable but the tower; with respect to the spliced embeddings, too. */
async function gradients(run: ModelRun, parts: ReturnType<typeof publishedParts>): Promise<void> {
  const { network, golden, manifest, c } = run;
  const { tolerance } = manifest;
  const device = deviceOf(network);
  const losses = scope(() => {
    const spliced = network.splice(samplesOf(golden), golden.tensor(device, "pixel_values"));
    // Zeros that are added: their gradient is that of the embeddings.
    const shift = zeros(spliced.embeds.shape, { device });
    shift.requiresGrad = true;
    const { loss, ce, aux } = network.splicedLoss(shifted(spliced, shift), { auxLoss: auxLoss(run) });
    loss.backward();
    return { loss, ce, aux, embeds: shift };
  });
  const { loss, ce, aux, embeds } = losses;
  c.gradient("grad.spliced_embeds", await (embeds.grad as Tensor).data(), tolerance.gradient);
  embeds.dispose();
  for (const [name, t] of [
    ["total", loss],
    ["ce", ce],
    ["aux_sum", aux],
  ] as const)
    if (t) c.forward(`loss.${name}`, await t.data(), tolerance.forward);
  for (const t of new Set([loss, ce, aux])) t?.dispose();
  for (const [name, part] of parts) {
    const { grad } = part.p;
    if (c.has(`grad.${name}`) && grad) c.gradient(`grad.${name}`, await readPart(grad, part), tolerance.gradient);
  }
}

const shifted = (spliced: Spliced, shift: Tensor): Spliced => ({ ...spliced, embeds: add(spliced.embeds, shift) });

/** The most likely next token, again and again, from keys and values that are kept. */
async function greedy({ network, golden, manifest, c }: ModelRun): Promise<void> {
  const device = deviceOf(network);
  const { values: prompt } = golden.get("generate.prompt_ids");
  const [steps] = golden.get("generate.ids").shape;
  const { embeds, lengths } = noGrad(() =>
    scope(() => network.splice([{ ids: prompt }], golden.tensor(device, "generate.pixel_values"))),
  );
  using cache = new KeyValueCache(network.model.config, { device, batch: 1, capacity: lengths[0] + steps });
  const [ids, logits]: [number[], number[]] = [[], []];
  let next = embeds;
  for (let step = 0; step < steps; step++) {
    const out = noGrad(() =>
      scope(() => {
        const { states } = network.states(next, { cache });
        const last = slice(states, { dim: 1, start: states.shape[1] - 1, length: 1 });
        const logits = network.logits(last);
        const id = argmax(logits);
        return { logits, id, embeds: network.model.embed_tokens.forward(reshape(id, [1, 1])) };
      }),
    );
    next.dispose();
    next = out.embeds;
    logits.push(...(await out.logits.data()));
    ids.push(await out.id.item());
    out.logits.dispose();
    out.id.dispose();
  }
  next.dispose();
  c.ids("generate.ids", ids);
  c.forward("generate.step_logits", logits, manifest.tolerance.forward);
}

/** The pooled feature of each sample by itself; one Adam step of the classifier. */
async function routerTraining({ network, golden, manifest, c }: ModelRun): Promise<void> {
  const device = deviceOf(network);
  const { tolerance } = manifest;
  const pooled: number[] = [];
  let image = 0;
  for (const sample of samplesOf(golden)) {
    const images = Math.max(1, Array.from(sample.ids).filter((id) => id === IMAGE_TOKEN).length);
    using feature = scope(() => {
      const all = golden.tensor(device, "pixel_values");
      return pooledFeature(network, sample, slice(all, { dim: 0, start: image, length: images }));
    });
    image += images;
    pooled.push(...(await feature.data()));
  }
  c.forward("router.pooled", pooled, tolerance.forward);
  const { shape } = golden.get("router.before.fc1.weight");
  using router = new DomainRouter(new nn.Initializer(device), shape[1], shape[0]);
  for (const [name, p] of router.namedParameters()) p.write(golden.get(`router.before.${name}`).values);
  using loss = scope(() => {
    const features = tensor(Float32Array.from(pooled), { device, shape: golden.get("router.pooled").shape });
    const loss = crossEntropy(router.forward(features), golden.tensor(device, "router.labels"));
    loss.backward();
    return loss;
  });
  c.forward("router.loss", await loss.data(), tolerance.forward);
  for (const [name, p] of router.namedParameters())
    c.gradient(`router.grad.${name}`, await (p.grad as Tensor).data(), tolerance.gradient);
  using adam = new optim.AdamW(router.namedParameters(), { lr: 1e-3, weightDecay: 0 });
  adam.step();
  for (const [name, p] of router.namedParameters())
    c.forward(`router.after.${name}`, await p.data(), tolerance.forward);
}
