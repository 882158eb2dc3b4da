import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  capture,
  type Device,
  HostRandom,
  nn,
  OutOfMemoryError,
  openDevice,
  optim,
  scope,
  type Tensor,
  tensor,
} from "../../engine/index.js";
import { type MissConfig, presets } from "../../models/miss/config.js";
import { type MissBatch, MissNetwork } from "../../models/miss/network.js";
import { shiftTargets } from "../../models/miss/targets.js";
import { machine, setEnvironment } from "../bindings/cuda-support.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-cuda-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** MISS with all of its parts, each small enough for a simulated GPU to take dozens of steps. */
const VOCABULARY = 100;
const config: MissConfig = {
  ...presets.tiny,
  ...{ imageSize: 16, visionWidth: 32, visionDepth: 1, visionHeads: 2, visionMlp: 64 },
  ...{ hidden: 32, layers: 1, heads: 2, intermediate: 64, vocab: VOCABULARY, enc: 1, dec: 2 },
};
const [QUESTION, ANSWER] = [6, 4];

/** Training on one batch of random pixels and words: a forward, a backward and AdamW. */
function training(device: Device) {
  const network = new MissNetwork(new nn.Initializer(device, 3), config);
  const optimizer = new optim.AdamW([...network.namedParameters()], { lr: 1e-3, weightDecay: 0.05 });
  device.seed(4);
  const batchOf = (B: number): MissBatch => {
    const random = new HostRandom(2, 0);
    const { imageSize, pad } = config;
    const words = (T: number) => Int32Array.from({ length: B * T }, () => 3 + random.below(VOCABULARY - 3));
    const ints = (values: Int32Array, T: number) => tensor(values, { device, shape: [B, T] });
    const pixels = Float32Array.from({ length: B * 3 * imageSize ** 2 }, () => 2 * random.uniform() - 1);
    const answers = words(ANSWER);
    return {
      image: tensor(pixels, { device, shape: [B, 3, imageSize, imageSize] }),
      questionIds: ints(words(QUESTION), QUESTION),
      questionMask: ints(new Int32Array(B * QUESTION).fill(1), QUESTION),
      answerIds: ints(answers, ANSWER),
      answerMask: ints(new Int32Array(B * ANSWER).fill(1), ANSWER),
      targets: ints(shiftTargets(answers, B, ANSWER, pad), ANSWER - 1),
    };
  };
  const step = (batch: MissBatch): Tensor => {
    const loss = network.loss(batch);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  };
  const weights = () => Promise.all([...network.parameters()].map((p) => p.data()));
  return { network, batchOf, step, weights };
}

/** The loss of a step that is called. */
async function called(step: () => Tensor): Promise<number> {
  using loss = scope(step);
  return loss.item();
}

/** A step is a second of the simulator's, of a processor that it has alone. */
const TIMEOUT = 300_000;

test(
  "eight steps hold the memory of the second; no step waits for the GPU, called or replayed",
  async () => {
    const waits = join(folder, "waits");
    writeFileSync(waits, "");
    using device = await openDevice("cuda");
    const { batchOf, step } = training(device);
    const batch = batchOf(1);
    const first = await called(() => step(batch));
    const held: unknown[] = [];
    setEnvironment(machine({ WAITS: waits }));
    for (let i = 1; i < 8; i++) {
      scope(() => step(batch)).dispose();
      const { live, allocations, pooled, own } = device.memory();
      held.push({ live, allocations, pooled, own });
    }
    for (const now of held.slice(1)) expect(now).toEqual(held[1]);
    const replay = capture(device, () => step(batch));
    for (let i = 0; i < 2; i++) replay.replay();
    expect(readFileSync(waits, "utf8"), "calls that wait").toBe("");
    // It learns, and a read of the loss is seen.
    expect(await replay.result.item()).toBeLessThan(0.9 * first);
    expect(readFileSync(waits, "utf8")).toContain("cuMemcpyDtoHAsync\ncuEventSynchronize\n");
    replay.dispose();
  },
  TIMEOUT,
);

test(
  "replayed steps: the losses and weights of steps that are called",
  async () => {
    using device = await openDevice("cuda");
    const eager = training(device);
    const eagerBatch = eager.batchOf(2);
    const losses: number[] = [];
    for (let i = 0; i < 4; i++) losses.push(await called(() => eager.step(eagerBatch)));
    expect(new Set(losses).size).toBe(4);

    const captured = training(device);
    const batch = captured.batchOf(2);
    const replay = capture(device, () => captured.step(batch));
    const found = [await replay.result.item()];
    for (let i = 1; i < 4; i++) found.push(await replay.replay().item());
    expect(found).toEqual(losses);
    expect(await captured.weights()).toEqual(await eager.weights());
    replay.dispose();
  },
  TIMEOUT,
);

test(
  "out of memory in the middle of a step: nothing of it is left, and a smaller one is that of a new device",
  async () => {
    const [SMALL, LARGE] = [1, 24];
    /** Of a device without a limit: what it holds at most in a step, and the loss and weights after it. */
    const alone = async (B: number) => {
      using device = await openDevice("cuda");
      const { batchOf, step, weights } = training(device);
      const batch = batchOf(B);
      const loss = await called(() => step(batch));
      const { peak, own } = device.memory();
      return { bytes: peak + own, ops: device.counters().ops, loss, weights: await weights() };
    };
    const [small, large] = [await alone(SMALL), await alone(LARGE)];
    expect(large.bytes).toBeGreaterThan(1.5 * small.bytes);

    setEnvironment(machine({ MEMORY: Math.ceil(0.3 * small.bytes + 0.7 * large.bytes) }));
    using device = await openDevice("cuda", { memoryBudget: 2 ** 40 });
    const { network, batchOf, step, weights } = training(device);
    const [batch, tooLarge] = [batchOf(SMALL), batchOf(LARGE)];
    const before = device.memory();
    const { ops } = device.counters();
    const error = await called(() => step(tooLarge)).catch((e) => e);
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error.message).toMatch(/The device refused it: cuda: \d+ bytes of .* Use a smaller batch/);
    expect(device.counters().ops - ops, "ops before it").toBeGreaterThan(0.1 * large.ops);
    network.zeroGrad();
    expect(device.memory()).toMatchObject({ live: before.live, allocations: before.allocations });

    // The ops before it drew from the stream of dropout.
    device.seed(4);
    expect(await called(() => step(batch))).toBe(small.loss);
    expect(await weights()).toEqual(small.weights);
  },
  TIMEOUT,
);
