import { type Device, io, nn, noGrad, scope, type Tensor, tensor } from "../../../engine/index.js";
import type { Comparison } from "../../golden/comparison.js";
import type { GoldenTensor } from "../../golden/read.js";
import { maximum, sumOf } from "../../golden/sums.js";
import { trainedParameters } from "../../peft/trainable.js";
import { type PretrainBatch, pretrainBatch } from "../pretrain/batch.js";
import { captioning } from "../pretrain/captioning.js";
import { loadPretrainNetwork, tiedNames } from "../pretrain/checkpoint.js";
import { contrast } from "../pretrain/contrast.js";
import { matching, negativeWeights } from "../pretrain/matching.js";
import { PretrainNetwork } from "../pretrain/network.js";
import { sumOfLosses } from "../pretrain/step.js";
import { configOf, type Manifest, type PretrainScenario } from "./manifest.js";

/** Its checkpoint in a folder of golden tensors. */
const CHECKPOINT = "pretrain_tiny.safetensors";

/** One step of pre-training: features, similarities, targets, losses, gradients, slow copies, queues. */
export async function pretraining(
  folder: string,
  device: Device,
  manifest: Manifest,
  scenario: PretrainScenario,
  expected: ReadonlyMap<string, GoldenTensor>,
  c: Comparison,
): Promise<void> {
  const { forward, grad_relative_to_max: relative } = manifest.tolerance;
  using network = await build(folder, device, manifest, scenario);
  const given = new Given(`${folder}/expected_pretrain.safetensors`, expected, device);
  const tied = new Set(tiedNames(network).map(([name]) => name));
  c.ids(
    "manifest.tied",
    scenario.tied.map((name) => (tied.has(name) ? 1 : 0)),
  );
  const tensors = scope(() => {
    const batch = given.batch(manifest);
    const compared = contrast(network, batch, { alpha: scenario.alpha, momentum: scenario.momentum });
    const weights = negativeWeights(compared.similarities);
    const drawn = { images: given.tensor("neg_image_index"), texts: given.tensor("neg_text_index") };
    const matched = matching(network, batch, compared.imageStates, drawn);
    const logits = noGrad(() => writtenLogits(network, batch, compared.imageStates));
    const written = captioning(network, batch, compared.imageStates);
    const loss = sumOfLosses(compared.loss, matched.loss, written);
    loss.backward();
    return {
      image_feat: compared.features.image,
      text_feat: compared.features.text,
      image_feat_m: compared.slow.image,
      text_feat_m: compared.slow.text,
      sim_i2t: compared.similarities.imageToText,
      sim_t2i: compared.similarities.textToImage,
      targets_i2t: compared.targets.imageToText,
      targets_t2i: compared.targets.textToImage,
      weights_i2t: weights.imageToText,
      weights_t2i: weights.textToImage,
      itm_logits: matched.logits,
      lm_logits: logits,
      loss_ita: compared.loss,
      loss_itm: matched.loss,
      loss_lm: written,
      loss,
    };
  });
  for (const [name, t] of Object.entries<Tensor>(tensors)) {
    const values = await t.data();
    c.forward(name, values, forward);
    if (name.startsWith("loss")) c.forward(`manifest.losses.${name}`, values, forward);
    t.dispose();
  }
  await gradients(network, c, relative);
  await after(network, c, forward, scenario.batch);
}

/** Golden tensors that are what the step is given: there is nothing to compare. */
const INPUTS = ["image", "text_ids", "text_mask", "neg_image_index", "neg_text_index"];

/** Those that it gives. */
export const pretrainResults = (expected: ReadonlyMap<string, GoldenTensor>): [string, GoldenTensor][] =>
  [...expected].filter(([name]) => !INPUTS.includes(name));

async function build(folder: string, device: Device, manifest: Manifest, scenario: PretrainScenario) {
  const { layers, vis_depth: visionDepth, embed_dim: embedding, queue } = scenario;
  const config = { ...configOf(manifest), layers, visionDepth };
  const network = new PretrainNetwork(new nn.Initializer(device, 1), config, { embedding, queue });
  try {
    await using reader = await io.openCheckpoint(`${folder}/${CHECKPOINT}`);
    await loadPretrainNetwork(network, reader);
    return network.eval();
  } catch (error) {
    network.dispose();
    throw error;
  }
}

/** What the golden tensors give the step, on a device. */
class Given {
  readonly #file: string;
  readonly #tensors: ReadonlyMap<string, GoldenTensor>;
  readonly #device: Device;

  constructor(file: string, tensors: ReadonlyMap<string, GoldenTensor>, device: Device) {
    this.#file = file;
    this.#tensors = tensors;
    this.#device = device;
  }

  #get(name: string): GoldenTensor {
    const found = this.#tensors.get(name);
    if (!found) throw new io.FileFormatError(this.#file, `there is no tensor ${name}`, "Make the folder anew");
    return found;
  }

  tensor(name: string): Tensor {
    const { values, shape, integer } = this.#get(name);
    return tensor(values, { device: this.#device, shape, dtype: integer ? "i32" : "f32" });
  }

  batch({ config }: Manifest): PretrainBatch {
    const { values: ids, shape } = this.#get("text_ids");
    const { values: mask } = this.#get("text_mask");
    const [B, T] = shape;
    const tokens = { ids: Int32Array.from(ids), mask: Int32Array.from(mask), B, T };
    return pretrainBatch(this.#device, this.tensor("image"), tokens, config);
  }
}

function writtenLogits(network: PretrainNetwork, { writtenIds, mask }: PretrainBatch, cross: Tensor): Tensor {
  return network.text_decoder.logits(network.text_decoder.states(writtenIds, { mask, cross, crossMask: null }));
}

/** Norms of all gradients, and some gradients whole. */
async function gradients(network: PretrainNetwork, c: Comparison, relative: number): Promise<void> {
  const named = trainedParameters(network);
  const norms = named.map(([name]) => c.values(`manifest.grad_norm.${name}`)?.[0] ?? 0);
  const largest = maximum(norms);
  for (const [i, [name, p]] of named.entries()) {
    const values = p.grad ? await p.grad.data() : new Float32Array(p.size);
    c.gradient(`grad.${name}`, values, relative);
    // Key biases have no gradient but rounding noise: there the scale is that of the other norms.
    const norm = Math.sqrt(sumOf(Array.from(values, (v) => v * v)));
    c.scaled(`manifest.grad_norm.${name}`, [norm], relative, norms[i] > 1e-9 ? norms[i] : largest);
  }
}

/** The slow copies, which have gone their step, and the queues. */
async function after(network: PretrainNetwork, c: Comparison, tolerance: number, batch: number): Promise<void> {
  for (const [name, p] of network.namedParameters())
    if (c.has(`momentum_after.${name}`)) c.forward(`momentum_after.${name}`, await p.data(), tolerance);
  for (const name of ["image_queue", "text_queue"] as const)
    c.forward(`${name}_after`, await network[name].data(), tolerance);
  network.advanceQueues(batch);
  c.ids("queue_ptr_after", [network.queuePointer]);
}
