import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, nn, openDevice, type Tensor, tensor } from "../../engine/index.js";
import { presets } from "../../models/miss/config.js";
import { MissNetwork } from "../../models/miss/network.js";
import { type AnswerList, rank } from "../../models/miss/rank.js";
import { generator } from "../support/random.js";

/** The whole vocabulary, so that the pairs of one batch do not fit into one chunk of logits. */
const config = { ...presets.tiny, visionDepth: 1, layers: 1, hidden: 16, intermediate: 16 };
const QUESTIONS = 40;
const k = 12;
let device: Device;
let network: MissNetwork;
let question: Tensor;
let mask: Tensor;

/** Answers of one to four words, [DEC] first, [SEP] last. */
const answers: AnswerList = (() => {
  const rows = Array.from({ length: 30 }, (_, i) => {
    const words = Array.from({ length: 1 + (i % 4) }, (_, j) => 2000 + 37 * i + j);
    return [config.dec, ...words, config.sep];
  });
  const padded = (row: readonly number[], fill: (id: number) => number) =>
    Int32Array.from({ length: 6 }, (_, t) => (t < row.length ? fill(row[t]) : 0));
  return { ids: rows.map((row) => padded(row, (id) => id)), mask: rows.map((row) => padded(row, () => 1)) };
})();

beforeAll(async () => {
  device = await openDevice("cpu", { threads: 1 });
  network = new MissNetwork(new nn.Initializer(device, 1), config).eval();
  const random = generator("rank");
  const states = Float32Array.from({ length: QUESTIONS * 3 * config.hidden }, () => random.normal());
  question = tensor(states, { device, shape: [QUESTIONS, 3, config.hidden] });
  mask = tensor(new Int32Array(QUESTIONS * 3).fill(1), { device, shape: [QUESTIONS, 3], dtype: "i32" });
});
afterAll(() => device.close());

test("all pairs at once would need hundreds of megabytes; chunks stay below 64", async () => {
  await device.finish();
  device.pool.resetPeak();
  const before = device.memory().live;
  await rank(network, question, mask, answers, { k });
  const logits = QUESTIONS * k * 3 * config.vocab * 4;
  expect(logits).toBeGreaterThan(150e6);
  expect(device.memory().peak - before).toBeLessThan(64e6);
});

test("a question gets the same scores alone and among others", async () => {
  const all = await rank(network, question, mask, answers, { k });
  const states = (await question.data()).subarray(0, 3 * config.hidden);
  using one = tensor(states, { device, shape: [1, 3, config.hidden] });
  using oneMask = tensor([1, 1, 1], { device, shape: [1, 3], dtype: "i32" });
  const alone = await rank(network, one, oneMask, answers, { k });
  expect(alone.topK[0]).toEqual(all.topK[0]);
  expect([...alone.scores[0]]).toEqual([...all.scores[0]].map((score) => expect.closeTo(score, 4)));
});

test("a stop between two chunks ends it with the signal's reason and leaves nothing behind", async () => {
  const stop = new AbortController();
  const before = device.memory().allocations;
  const running = rank(network, question, mask, answers, { k, signal: stop.signal });
  setTimeout(() => stop.abort(new Error("enough")), 1);
  await expect(running).rejects.toThrow("enough");
  await device.finish();
  expect(device.memory().allocations).toBe(before);
});
