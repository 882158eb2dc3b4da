import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadNotes } from "../../apps/cli/terminal/progress.js";
import { type Device, io, nn, openDevice } from "../../engine/index.js";
import { loadNetwork, stateDict } from "../../models/miss/checkpoint.js";
import { type MissConfig, presets } from "../../models/miss/config.js";
import { MissNetwork } from "../../models/miss/network.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-load-"));
const config: MissConfig = { ...presets.tiny, vocab: 40, sep: 3, dec: 38, enc: 39, visionDepth: 1, layers: 1 };
const BIAS = "text_decoder.cls.predictions.bias";
const DECODER_BIAS = "text_decoder.cls.predictions.decoder.bias";
let device: Device;

beforeAll(async () => {
  device = await openDevice("reference");
});
afterAll(() => {
  device.close();
  rmSync(folder, { recursive: true });
});

/** A checkpoint of a fresh network, with some tensors in another form; null leaves one out. */
async function checkpoint(name: string, changes: Record<string, io.WritableTensor | null>): Promise<string> {
  using network = new MissNetwork(new nn.Initializer(device, 1), config);
  const tensors = [...stateDict(network)].map((t) => (t.name in changes ? changes[t.name] : t));
  const extra = Object.entries(changes).flatMap(([key, t]) => (t && !tensors.includes(t) && t.name === key ? [t] : []));
  const file = join(folder, `${name}.safetensors`);
  await io.writeSafetensors(
    file,
    [...tensors, ...extra].filter((t) => t !== null),
  );
  return file;
}

async function load(file: string, imageSize = config.imageSize) {
  using network = new MissNetwork(new nn.Initializer(device, 2), { ...config, imageSize });
  const reader = await io.openCheckpoint(file);
  const report = await loadNetwork(network, reader);
  await reader.close();
  return { report, bias: await network.text_decoder.cls.predictions.bias.data() };
}

const sevens = (name: string) => io.writable(name, [config.vocab], new Float32Array(config.vocab).fill(7), "F32");

test("a checkpoint of our own is copied without a word", async () => {
  const { report } = await load(await checkpoint("own", {}));
  expect(report).toEqual({ interpolated: false, unused: [], disagreeing: [], missing: [], skipped: [] });
  expect(loadNotes("own", report)).toEqual([]);
});

test("where the two names of the tied bias disagree, decoder.bias wins, with a warning", async () => {
  const { report, bias } = await load(await checkpoint("two", { [DECODER_BIAS]: sevens(DECODER_BIAS) }));
  expect([...bias]).toEqual(Array(config.vocab).fill(7));
  expect(report.disagreeing).toEqual([DECODER_BIAS]);
  expect(loadNotes("two", report)).toEqual([expect.stringMatching(/^warning: two: .*decoder\.bias/)]);
});

test("either name alone will do", async () => {
  const first = await load(await checkpoint("first", { [BIAS]: sevens(BIAS), [DECODER_BIAS]: null }));
  const second = await load(await checkpoint("second", { [BIAS]: null, [DECODER_BIAS]: sevens(DECODER_BIAS) }));
  for (const { bias, report } of [first, second]) {
    expect(bias[0]).toBe(7);
    expect(report.disagreeing).toEqual([]);
  }
});

test("what the model does not know and another image size are reported; pre-training's own tensors are not", async () => {
  const others = ["extra.weight", "itm_head.weight"].map((name) => [
    name,
    io.writable(name, [1], new Float32Array(1), "F32"),
  ]);
  const { report } = await load(await checkpoint("extra", Object.fromEntries(others)), 32);
  expect(report).toEqual({ interpolated: true, unused: ["extra.weight"], disagreeing: [], missing: [], skipped: [] });
  expect(loadNotes("extra", report)).toHaveLength(2);
});
