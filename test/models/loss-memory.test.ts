import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, nn, openDevice, scope, tensor } from "../../engine/index.js";
import { presets } from "../../models/miss/config.js";
import { type MissBatch, MissNetwork } from "../../models/miss/network.js";

const [B, Q, A] = [32, 10, 6];
let device: Device;
beforeAll(async () => {
  device = await openDevice("cpu", { threads: 1 });
});
afterAll(() => device.close());

const ids = (T: number, id: number) => tensor(new Int32Array(B * T).fill(id), { device, shape: [B, T], dtype: "i32" });

const batch = (size: number): MissBatch => ({
  image: tensor(new Float32Array(B * 3 * size * size), { device, shape: [B, 3, size, size] }),
  questionIds: ids(Q, 5),
  questionMask: ids(Q, 1),
  answerIds: ids(A, 7),
  answerMask: ids(A, 1),
  targets: ids(A - 1, 7),
});

/** Largest live bytes of a step with a vocabulary of this size, beyond what stays. */
async function peakOf(vocab: number): Promise<number> {
  using network = new MissNetwork(new nn.Initializer(device, 1), { ...presets.tiny, vocab, dec: 1, enc: 2 });
  const step = () => {
    scope(() => network.loss(batch(presets.tiny.imageSize)).backward());
    network.zeroGrad();
  };
  step();
  await device.finish();
  device.pool.resetPeak();
  const before = device.memory().live;
  step();
  return device.memory().peak - before;
}

test("the logits become their own gradient: a larger vocabulary costs one buffer of logits, not two", async () => {
  const [few, many] = [await peakOf(1000), await peakOf(30_524)];
  const rows = 30_524 - 1000;
  const logits = rows * B * (A - 1) * 4;
  // The gradients of the two word embeddings and of the bias grow with the vocabulary too.
  const gradients = rows * (2 * presets.tiny.hidden + 1) * 4;
  expect(many - few).toBeLessThan(logits + gradients + 0.25 * logits);
});
