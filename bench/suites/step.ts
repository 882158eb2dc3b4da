import { type Device, HostRandom, nn, optim, scope, type Tensor } from "../../engine/index.js";
import { type MissConfig, presets } from "../../models/miss/config.js";
import { type MissBatch, MissNetwork } from "../../models/miss/network.js";
import { shiftTargets } from "../../models/miss/targets.js";
import { timed, uploadAll } from "../contenders/engine.js";
import { normals } from "../inputs.js";
import type { HostTensor, HostTensors, Prepared, Task } from "../task.js";
import { type StepSizes, stepFlops } from "./step-flops.js";
import { fixedSuite } from "./suite.js";

const LEARNING_RATE = 2e-5;
const WEIGHT_DECAY = 0.05;

/** A training step of MISS-small as `train` takes it (forward, backward, AdamW, everything trained), on random data. */
export const step = fixedSuite("step", "step", () => [stepTask("small", { B: 8, Q: 20, A: 6 })]);

export function stepTask(preset: keyof typeof presets, sizes: StepSizes): Task {
  const config: MissConfig = presets[preset];
  return {
    suite: "step",
    op: "MissNetwork",
    pass: "step",
    name: `MISS-${preset}, batch ${sizes.B}`,
    shape: `${preset}:B${sizes.B}Q${sizes.Q}A${sizes.A}`,
    options: { config, lr: LEARNING_RATE, weightDecay: WEIGHT_DECAY },
    trained: [],
    flops: stepFlops(config, sizes),
    bytes: null,
    // Losses near 50 are sums through some thirty layers in f32, and an AdamW step of lr after them.
    tolerance: 1e-5,
    calls: 1,
    prepare: async (device) => prepareStep(device, config, hostBatch(config, sizes)),
  };
}

/** Random pixels and tokens; rows of different lengths, so that masks matter. */
function hostBatch(config: MissConfig, { B, Q, A }: StepSizes): HostTensors {
  const random = new HostRandom(2, 0);
  const tokens = (T: number, first: number) => {
    const ids = new Int32Array(B * T).fill(config.pad);
    const mask = new Int32Array(B * T);
    for (let b = 0; b < B; b++) {
      const length = b === 0 ? T : 3 + random.below(T - 2);
      for (let t = 0; t < length; t++) ids[b * T + t] = t === 0 ? first : 999 + random.below(29_000);
      mask.fill(1, b * T, b * T + length);
    }
    return { ids: { shape: [B, T], values: ids }, mask: { shape: [B, T], values: mask } };
  };
  const question = tokens(Q, config.enc);
  const answer = tokens(A, config.dec);
  return {
    image: normals([B, 3, config.imageSize, config.imageSize], 1),
    questionIds: question.ids,
    questionMask: question.mask,
    answerIds: answer.ids,
    answerMask: answer.mask,
    targets: { shape: [B, A - 1], values: shiftTargets(answer.ids.values, B, A, config.pad) },
  };
}

/** A training step on random data, with what it holds. */
export function trainingStep(device: Device, preset: keyof typeof presets, sizes: StepSizes) {
  const config: MissConfig = presets[preset];
  const { run, release } = makeStep(device, config, hostBatch(config, sizes));
  return { run, release };
}

function makeStep(device: Device, config: MissConfig, host: HostTensors) {
  const batch = uploadAll(device, host, "f32") as unknown as MissBatch;
  const network = new MissNetwork(new nn.Initializer(device, 3), config);
  const optimizer = new optim.AdamW([...network.namedParameters()], { lr: LEARNING_RATE, weightDecay: WEIGHT_DECAY });
  device.seed(4);

  const backward = (): Tensor => {
    const loss = network.loss(batch);
    loss.backward();
    return loss;
  };
  const update = () => {
    optimizer.step();
    optimizer.zeroGrad();
  };
  const run = (): Tensor => {
    const loss = backward();
    update();
    return loss;
  };
  const release = () => {
    for (const t of Object.values(batch as unknown as Record<string, Tensor>)) t.dispose();
    optimizer.dispose();
    network.dispose();
  };
  return { network, backward, update, run, release };
}

function prepareStep(device: Device, config: MissConfig, host: HostTensors): Prepared {
  const { network, backward, update, run, release } = makeStep(device, config, host);
  const once = () => scope(run);
  const enqueue = (calls: number) => {
    for (let i = 0; i < calls; i++) once().dispose();
  };
  return {
    contender: timed(device, enqueue, release),
    inputs: async () => ({ ...host, ...(await parameters(network)) }),
    /**
     * The norm of each parameter's gradient, by the parameters' names in order, and two losses with a step between them: the
     * second tells whether AdamW agrees.
     */
    results: async () => {
      network.eval();
      const first = scope(backward);
      const norms = scope(() => gradientNorms(network));
      update();
      const losses = [first, once()];
      network.train();
      return { losses: await items(losses), gradientNorms: await items(norms) };
    },
  };
}

/** [norm, 1] of each gradient. */
function gradientNorms(network: MissNetwork): Tensor[] {
  const names = [...network.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1));
  return names.map(([, parameter]) => optim.clipGradNorm([parameter], Number.POSITIVE_INFINITY));
}

/** The first element of each, which is disposed. */
async function items(tensors: readonly Tensor[]): Promise<Float32Array> {
  const values = await Promise.all(tensors.map(async (t) => (await t.data())[0]));
  for (const t of tensors) t.dispose();
  return Float32Array.from(values);
}

async function parameters(network: MissNetwork): Promise<Record<string, HostTensor>> {
  const found: Record<string, HostTensor> = {};
  for (const [name, p] of network.namedParameters())
    found[`parameter:${name}`] = { shape: p.shape, values: (await p.data()) as Float32Array };
  return found;
}
