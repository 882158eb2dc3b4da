import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, io, nn, openDevice, type Tensor, tensor } from "../../engine/index.js";
import { loadNetwork, stateDict } from "../../models/miss/checkpoint.js";
import { type MissConfig, presets } from "../../models/miss/config.js";
import { MissNetwork } from "../../models/miss/network.js";
import { pretrainBatch } from "../../models/miss/pretrain/batch.js";
import { loadPretrainNetwork, pretrainStateDict, tiedNames } from "../../models/miss/pretrain/checkpoint.js";
import { follow } from "../../models/miss/pretrain/momentum.js";
import { multinomial } from "../../models/miss/pretrain/multinomial.js";
import { PretrainNetwork } from "../../models/miss/pretrain/network.js";
import { pretrainLosses } from "../../models/miss/pretrain/step.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-pretrain-"));
const config: MissConfig = {
  ...presets.tiny,
  ...{ vocab: 40, sep: 3, dec: 38, enc: 39, visionDepth: 1, layers: 2 },
  ...{ imageSize: 16, visionWidth: 16, visionMlp: 32, hidden: 16, intermediate: 32 },
};
const sizes = { embedding: 8, queue: 12 };
let device: Device;

beforeAll(async () => {
  device = await openDevice("reference");
});
afterAll(() => {
  device.close();
  rmSync(folder, { recursive: true });
});

const pretrainNetwork = (seed: number) => new PretrainNetwork(new nn.Initializer(device, seed), config, sizes);

test("draws come in proportion to the weights, and never where the weight is 0", async () => {
  device.seed(5);
  const rows = 4000;
  const weights = [0, 1, 3, 6];
  using w = tensor(
    Float32Array.from({ length: rows * 4 }, (_, i) => weights[i % 4]),
    { device, shape: [rows, 4] },
  );
  using drawn = multinomial(w);
  const counts = [0, 0, 0, 0];
  for (const column of await drawn.data()) counts[column]++;
  expect(counts[0]).toBe(0);
  // Three standard deviations of a share of 4,000 draws.
  for (const i of [1, 2, 3]) {
    const p = weights[i] / 10;
    expect(Math.abs(counts[i] / rows - p)).toBeLessThan(3 * Math.sqrt((p * (1 - p)) / rows));
  }
});

test("the decoder's trunk is the JTM's but for self-attention", () => {
  using network = pretrainNetwork(1);
  const { text_encoder: jtm, text_decoder: decoder } = network;
  const own = new Set<Tensor>(jtm.parameters());
  const apart = [...decoder.bert.namedParameters()].filter(([, p]) => !own.has(p)).map(([name]) => name);
  expect(apart.length).toBe(2 * 10);
  for (const name of apart) expect(name).toMatch(/^encoder\.layer\.\d\.attention\./);
  // Embeddings 4, cross-attention 10, feed-forward 6 a layer; the head's second names.
  expect(tiedNames(network)).toHaveLength(4 + 2 * 16 + 2);
});

test("the slow copies begin as what they follow, and then keep their share of themselves", async () => {
  using network = pretrainNetwork(1);
  const [slow, fast] = [network.vision_proj_m.weight, network.vision_proj.weight];
  const before = await fast.data();
  expect(await slow.data()).toEqual(before);
  fast.write(Array.from(before, (v) => v + 1));
  follow(network, 0.75);
  const after = await slow.data();
  for (const [i, value] of after.entries()) expect(value).toBeCloseTo(before[i] + 0.25, 6);
  expect([...network.namedParameters()].filter(([name, p]) => /_m\.|_queue$/.test(name) && p.requiresGrad)).toEqual([]);
});

test("queues hold features of length 1 and are overwritten from the pointer on", async () => {
  using network = pretrainNetwork(1).eval();
  network.queuePointer = 9;
  const norms = async () => {
    const values = await network.image_queue.data();
    return Array.from({ length: sizes.queue }, (_, c) =>
      Math.hypot(...Array.from({ length: sizes.embedding }, (_, r) => values[r * sizes.queue + c])),
    );
  };
  for (const norm of await norms()) expect(norm).toBeCloseTo(1, 5);
  const before = await network.text_queue.data();
  const losses = pretrainLosses(network, batch(3), { alpha: 0.4 });
  const after = await network.text_queue.data();
  const changed = Array.from({ length: sizes.queue }, (_, c) => after[c] !== before[c]);
  expect(changed).toEqual(Array.from({ length: sizes.queue }, (_, c) => c >= 9));
  for (const norm of await norms()) expect(norm).toBeCloseTo(1, 5);
  network.advanceQueues(3);
  expect(network.queuePointer).toBe(0);
  for (const loss of Object.values(losses)) loss.dispose();
});

function batch(B: number) {
  const T = 5;
  const random = Float32Array.from({ length: B * 3 * 16 * 16 }, (_, i) => Math.sin(i));
  const image = tensor(random, { device, shape: [B, 3, 16, 16] });
  const ids = Int32Array.from({ length: B * T }, (_, i) => (i % T === T - 1 ? config.sep : 4 + ((7 * i) % 30)));
  const tokens = { ids, mask: new Int32Array(B * T).fill(1), B, T };
  return pretrainBatch(device, image, tokens, { cls: 2, enc: config.enc, dec: config.dec, pad: config.pad });
}

test("one pair alone has no wrong text: refused", () => {
  expect(() => batch(1)).toThrow(
    "a batch of 1 has no wrong text for its image, which matching needs. Use a batch of 2",
  );
});

test("a file of its own comes back whole: copies, queues, pointer", async () => {
  using network = pretrainNetwork(1);
  network.visual_encoder_m.cls_token.write(new Float32Array(16).fill(3));
  network.queuePointer = 6;
  const file = join(folder, "whole.safetensors");
  await io.writeSafetensors(file, [...pretrainStateDict(network)]);
  using other = pretrainNetwork(2);
  await using reader = await io.openCheckpoint(file);
  const report = await loadPretrainNetwork(other, reader);
  expect(report).toEqual({ interpolated: false, unused: [], disagreeing: [], missing: [], skipped: [] });
  expect(other.queuePointer).toBe(6);
  const values = new Map(network.namedParameters());
  for (const [name, p] of other.namedParameters())
    expect(await p.data(), name).toEqual(await (values.get(name) as Tensor).data());
});

test("a tuned model starts from it: what was shared becomes two copies, what only pre-training has is ignored", async () => {
  using network = pretrainNetwork(3);
  const file = join(folder, "start.safetensors");
  await io.writeSafetensors(file, [...pretrainStateDict(network)]);
  using tuned = new MissNetwork(new nn.Initializer(device, 4), config);
  await using reader = await io.openCheckpoint(file);
  const report = await loadNetwork(tuned, reader);
  expect(report).toEqual({ interpolated: false, unused: [], disagreeing: [], missing: [], skipped: [] });
  const [jtm, decoder] = [tuned.text_encoder, tuned.text_decoder.bert].map(
    (b) => (b.encoder.layer[1].output.dense as nn.Linear).weight,
  );
  expect(jtm).not.toBe(decoder);
  expect(await jtm.data()).toEqual(await decoder.data());
  expect(await jtm.data()).toEqual(
    await (network.text_encoder.encoder.layer[1].output.dense as nn.Linear).weight.data(),
  );
});

test("pre-training starts from a tuned model: the slow copies follow it from the first step on", async () => {
  using tuned = new MissNetwork(new nn.Initializer(device, 4), config);
  const file = join(folder, "tuned.safetensors");
  await io.writeSafetensors(file, [...stateDict(tuned)]);
  using network = pretrainNetwork(5);
  await using reader = await io.openCheckpoint(file);
  const report = await loadPretrainNetwork(network, reader, { partial: true });
  expect(report.missing).toEqual([
    "vision_proj.weight",
    "vision_proj.bias",
    "text_proj.weight",
    "text_proj.bias",
    "itm_head.weight",
    "itm_head.bias",
    "temp",
  ]);
  // The decoder's copy was another tensor there, and is the one that PyTorch copies last.
  expect(report.disagreeing).toContain("text_decoder.bert.encoder.layer.0.output.dense.weight");
  const [slow, fast] = [network.visual_encoder_m.cls_token, network.visual_encoder.cls_token];
  expect(await slow.data()).toEqual(await fast.data());
  expect(await fast.data()).toEqual(await tuned.visual_encoder.cls_token.data());
});
