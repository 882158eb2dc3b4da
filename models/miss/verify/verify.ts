import { type Device, indexSelect, io, nn, noGrad, scope, type Tensor, tensor } from "../../../engine/index.js";
import { Comparison, type Row } from "../../golden/comparison.js";
import { readAll } from "../../golden/read.js";
import { checkScenarios, type Missed, reportOf, type VerifyOptions, type VerifyReport } from "../../golden/report.js";
import { maximum, sumOf } from "../../golden/sums.js";
import { adapterLayers, adapterTensors, withMergedAdapters } from "../../peft/merge.js";
import { countParameters, trainablePercent } from "../../peft/trainable.js";
import { type Adaptation, adapt, PARTS, peftName, published, ROOTS, type Root, textMethods } from "../adaptation.js";
import { loadNetwork } from "../checkpoint.js";
import { generate } from "../generate.js";
import { MissNetwork } from "../network.js";
import { rank } from "../rank.js";
import { GoldenInputs } from "./inputs.js";
import {
  configOf,
  goldenNumbers,
  goldenPretraining,
  isGeneration,
  type Manifest,
  pretrainScenario,
  readManifest,
  type Scenario,
} from "./manifest.js";
import { PREPROCESSING, preprocessed, preprocessing } from "./preprocessing.js";
import { pretraining, pretrainResults } from "./pretraining.js";
import { training } from "./training.js";

/**
 * Recomputes a folder of golden tensors (manifest.json, format 1) on a device: forward, losses, gradients, one AdamW
 * step, generated ids, ranking, merged adapters, a step of pre-training, preprocessing. Passes when every expected tensor was compared and lies within the
 * manifest's tolerances.
 */
export async function verifyMiss(folder: string, device: Device, options: VerifyOptions = {}): Promise<VerifyReport> {
  const manifest = await readManifest(folder);
  const known = [
    ...Object.keys(manifest.scenarios),
    ...(PREPROCESSING.file in manifest.files ? [PREPROCESSING.scenario] : []),
  ];
  checkScenarios(folder, known, options);
  const rows: Row[] = [];
  const missed: Missed[] = [];
  const inputs = new GoldenInputs(await readAll(`${folder}/inputs.safetensors`), manifest.config.pad);
  const collect = (c: Comparison) => {
    rows.push(...c.rows);
    for (const tensor of c.missed) missed.push({ scenario: c.scenario, tensor, reason: "nothing computes it" });
  };
  for (const name of options.only ?? known) {
    options.onScenario?.(name);
    if (name === PREPROCESSING.scenario) {
      const expected = await readAll(`${folder}/${PREPROCESSING.file}`);
      const comparison = new Comparison(name, new Map(preprocessed(expected)));
      preprocessing(folder, expected, comparison);
      collect(comparison);
      continue;
    }
    const scenario = manifest.scenarios[name];
    if (name === "pretrain") {
      const step = pretrainScenario(manifest, folder);
      const expected = await readAll(`${folder}/expected_pretrain.safetensors`);
      const comparison = new Comparison(name, new Map([...pretrainResults(expected), ...goldenPretraining(step)]));
      await pretraining(folder, device, manifest, step, expected, comparison);
      collect(comparison);
      continue;
    }
    const supported = methodOf(scenario) !== null;
    if (!supported) {
      missed.push({ scenario: name, tensor: "*", reason: "this version has no such tuning method" });
      continue;
    }
    const expected = await readAll(`${folder}/expected_${name}.safetensors`);
    const comparison = new Comparison(name, new Map([...expected, ...goldenNumbers(scenario)]));
    await runScenario(folder, device, manifest, name, scenario, inputs, comparison);
    collect(comparison);
  }
  return reportOf(rows, missed);
}

/** The tuning method of a scenario; null where it is one that we do not have. */
const methodOf = ({ method }: Scenario) => textMethods.find((known) => known === (method ?? "T")) ?? null;

const BASE = /^(?!adapter_|expected_|inputs\.|preprocess\.|pretrain_).*\.safetensors$/;

async function build(folder: string, device: Device, manifest: Manifest, name: string, scenario: Scenario) {
  const init = new nn.Initializer(device, manifest.config.vocab);
  const network = new MissNetwork(init, configOf(manifest));
  const base = Object.keys(manifest.files).find((f) => BASE.test(f));
  if (!base)
    throw new io.FileFormatError(`${folder}/manifest.json`, "files lists no base checkpoint", "Make the folder anew");
  const reader = await io.openCheckpoint(`${folder}/${base}`);
  try {
    await loadNetwork(network, reader);
  } finally {
    await reader.close();
  }
  const full = new Set(scenario.full_roots ?? []);
  const wrapped = new Set((scenario.peft_roots ?? []).filter((r): r is Root => ROOTS.includes(r as Root)));
  const { lora, prefix } = manifest;
  const how = (root: Root) => (wrapped.has(root) ? methodOf(scenario) : full.has(root) ? "T" : "F");
  const methods = Object.fromEntries(ROOTS.map((root) => [PARTS[root], how(root)]));
  adapt(network, init, {
    ...published,
    ...(methods as Pick<Adaptation, "vit" | "jtm" | "dec">),
    rank: lora.r,
    alpha: lora.alpha,
    dropout: lora.dropout,
    tokens: prefix.num_virtual_tokens,
  });
  if (wrapped.size) {
    const file = `${folder}/adapter_${name}.safetensors`;
    const adapter = await readAll(file);
    const tensors = adapterTensors(network);
    for (const [path, p] of network.namedParameters()) {
      if (!tensors.has(p)) continue;
      const found = adapter.get(peftName(path, wrapped));
      if (!found)
        throw new io.FileFormatError(file, `there is no tensor ${peftName(path, wrapped)}`, "Make the folder anew");
      p.write(found.values);
    }
  }
  return { network: network.eval(), wrapped };
}

async function runScenario(
  folder: string,
  device: Device,
  manifest: Manifest,
  name: string,
  scenario: Scenario,
  inputs: GoldenInputs,
  c: Comparison,
): Promise<void> {
  const { network, wrapped } = await build(folder, device, manifest, name, scenario);
  using _network = network;
  const { forward, grad_relative_to_max: relative, step1 } = manifest.tolerance;
  const read = async (tensor: string, t: Tensor) => {
    c.forward(tensor, await t.data(), forward);
    t.dispose();
  };

  // Forward, and the states that generation and ranking start from.
  const states = noGrad(() =>
    scope(() => {
      const b = inputs.batch(device);
      const image = network.visual_encoder.forward(b.image);
      const question = network.encode(image, b.questionIds, b.questionMask);
      const decoder = network.text_decoder.states(b.answerIds, {
        mask: b.answerMask,
        cross: question,
        crossMask: b.questionMask,
      });
      return { image, question, mask: b.questionMask, logits: network.text_decoder.logits(decoder) };
    }),
  );
  const { question, mask } = states;
  await read("image_embeds", states.image);
  const logits = await states.logits.data();
  await read("decoder_logits", states.logits);
  c.forward("question_states", await question.data(), forward);

  await losses(device, network, inputs, c, forward);
  await weighted(device, network, inputs, scenario, question, mask, c, forward);
  await answers(network, inputs, manifest, scenario, question, mask, c, forward);
  if ([...adapterLayers(network)].length > 0) await merged(device, network, inputs, logits, c, forward);
  const { trainable, total } = countParameters(network);
  c.ids("manifest.total", [total]);
  c.ids("manifest.trainable", [trainable]);
  c.forward("manifest.trainable_percent", [trainablePercent({ trainable, total })], forward);
  question.dispose();
  mask.dispose();
  await training(device, network, inputs, manifest, wrapped, c, relative, step1);
}

async function losses(device: Device, network: MissNetwork, inputs: GoldenInputs, c: Comparison, tolerance: number) {
  const tokens = noGrad(() => scope(() => network.tokenLoss(inputs.batch(device))));
  const values = (await tokens.data()) as Float32Array;
  const [B, L] = tokens.shape;
  tokens.dispose();
  const perSample = Array.from({ length: B }, (_, b) => sumOf(values.subarray(b * L, (b + 1) * L)));
  c.forward("per_sample_loss", perSample, tolerance);
  for (const name of ["loss", "manifest.loss"]) c.forward(name, [sumOf(perSample) / B], tolerance);
}

/** BLIP's form: each question has several answers with weights; loss = Σ w · loss / questions. */
async function weighted(
  device: Device,
  network: MissNetwork,
  inputs: GoldenInputs,
  scenario: Scenario,
  question: Tensor,
  mask: Tensor,
  c: Comparison,
  tolerance: number,
): Promise<void> {
  const counts = scenario.weighted_answers_per_question;
  if (!counts) return;
  const rows = counts.flatMap((n, i) => Array<number>(n).fill(i));
  const loss = noGrad(() =>
    scope(() => {
      const index = tensor(Int32Array.from(rows), { device });
      return network.answerLoss(
        indexSelect(question, 0, index),
        indexSelect(mask, 0, index),
        inputs.tensor(device, "weighted_answer_ids"),
        inputs.tensor(device, "weighted_answer_mask"),
        inputs.targets(device, "weighted_answer_ids"),
      );
    }),
  );
  const values = (await loss.data()) as Float32Array;
  const L = loss.shape[1];
  loss.dispose();
  const each = rows.map((_, i) => sumOf(values.subarray(i * L, (i + 1) * L)));
  const weights = inputs.numbers("weighted_weights");
  c.forward("weighted_per_answer_loss", each, tolerance);
  c.forward("weighted_loss", [each.reduce((sum, x, i) => sum + weights[i] * x, 0) / counts.length], tolerance);
}

async function answers(
  network: MissNetwork,
  inputs: GoldenInputs,
  manifest: Manifest,
  scenario: Scenario,
  question: Tensor,
  mask: Tensor,
  c: Comparison,
  tolerance: number,
): Promise<void> {
  const { num_beams: beams, max_length: maxLength, rank_k: k } = manifest.generation;
  const run = async (label: string, options: Parameters<typeof generate>[3]) => {
    const { ids, scores } = await generate(network, question, mask, options);
    c.ids(
      `${label}_ids`,
      ids.flatMap((row) => Array.from(row)),
    );
    c.forward(`${label}_scores`, scores, tolerance);
  };
  await run("greedy", { beams: 1, maxLength });
  await run(`beam${beams}`, { beams, maxLength });
  await run(`beam${beams}_qmask`, { beams, maxLength, maskQuestionPads: true });
  const { bias } = network.text_decoder.cls.predictions;
  const original = await bias.data();
  for (const [label, value] of Object.entries(scenario)) {
    if (!isGeneration(value)) continue;
    const boosted = Float32Array.from(original);
    boosted[network.config.sep] += value.eos_bias_added;
    bias.write(boosted);
    await run(label, { beams: value.num_beams, maxLength: value.max_length });
  }
  bias.write(original);
  const found = await rank(network, question, mask, inputs.candidates(), { k });
  const flat = (rows: readonly ArrayLike<number>[]) => rows.flatMap((r) => Array.from(r));
  c.forward("rank_first_token_probs", flat(found.firstTokenProbs), tolerance);
  c.ids("rank_topk_ids", flat(found.topK));
  c.forward("rank_log_probs_sum", flat(found.scores), tolerance);
  c.ids("rank_max_ids", found.best);
}

async function merged(
  device: Device,
  network: MissNetwork,
  inputs: GoldenInputs,
  before: ArrayLike<number>,
  c: Comparison,
  tolerance: number,
): Promise<void> {
  await withMergedAdapters(network, async () => {
    const layers = [...adapterLayers(network)];
    c.ids("manifest.merged_names", [layers.reduce((sum, [, layer]) => sum + layer.foldedWeights.length, 0)]);
    for (const [path, layer] of layers) {
      for (const [parameter, p] of layer.base_layer.namedParameters()) {
        const name = `merged.${path}.${parameter}`;
        if (c.has(name)) c.forward(name, await p.data(), tolerance);
      }
    }
    const logits = noGrad(() =>
      scope(() => {
        const b = inputs.batch(device);
        const question = network.encode(network.visual_encoder.forward(b.image), b.questionIds, b.questionMask);
        const context = { mask: b.answerMask, cross: question, crossMask: b.questionMask };
        return network.text_decoder.logits(network.text_decoder.states(b.answerIds, context));
      }),
    );
    const after = await logits.data();
    logits.dispose();
    c.forward("merged_decoder_logits", after, tolerance);
    // The logits are those of the unmerged model, up to rounding: compared on their own scale.
    const moved = Array.from(after, (value, i) => Math.abs(value - before[i]));
    c.scaled("manifest.merged_max_abs_diff", [maximum(moved)], tolerance, Math.max(1, maximum(before)));
  });
}
