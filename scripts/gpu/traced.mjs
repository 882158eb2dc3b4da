#!/usr/bin/env node
// What trace.mjs watches: a training step that is captured and replayed, back to back and without a read; then how long a step
// takes, and its kernels alone. Writes what it found to stdout, as JSON.
//
//   node scripts/gpu/traced.mjs [cuda] [--step tiny|small] [--replays 40] [--rounds 9] [--read]
//
// --step     tiny: MISS-tiny, batch 16; small: a perceptron, for a simulated GPU
// --replays  that are traced; fewer than the device lets JavaScript be ahead (64), so that nobody waits for room
// --rounds   of each measure
// --read     reads the loss amid them, as a step must not: what the trace shows of that
import { parseArgs } from "node:util";
import { trainingStep } from "../../dist/bench/suites/step.js";
import { capture, full, mean, nn, openDevice, optim, scope, square, tensor } from "../../dist/engine/index.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    step: { type: "string", default: "tiny" },
    replays: { type: "string", default: "40" },
    rounds: { type: "string", default: "9" },
    read: { type: "boolean", default: false },
  },
});
const [replays, rounds] = [Number(values.replays), Number(values.rounds)];
/** Kernels that do nothing, timed among those of the step. */
const EMPTY = 64;

const STEPS = {
  tiny: (device) => trainingStep(device, "tiny", { B: 16, Q: 24, A: 6 }),
  small(device) {
    const init = new nn.Initializer(device, 1);
    const model = new nn.Sequential(new nn.Linear(init, 4, 8), new nn.Tanh(), new nn.Linear(init, 8, 1));
    const optimizer = new optim.AdamW([...model.namedParameters()], { lr: 0.01 });
    const x = tensor(new Float32Array(16).fill(0.5), { device, shape: [4, 4] });
    const run = () => {
      const loss = mean(square(model.forward(x)));
      loss.backward();
      optimizer.step();
      optimizer.zeroGrad();
      return loss;
    };
    const release = () => {
      x.dispose();
      optimizer.dispose();
      model.dispose();
    };
    return { run, release };
  },
};

if (!Object.hasOwn(STEPS, values.step))
  throw new Error(`--step ${values.step} is none of ${Object.keys(STEPS).join(", ")}`);
for (const name of ["replays", "rounds"])
  if (!(Number.isInteger(Number(values[name])) && values[name] >= 1))
    throw new Error(`--${name} ${values[name]} is no whole number from 1`);

const sum = (numbers) => numbers.reduce((total, x) => total + x, 0);

const device = await openDevice(positionals[0] ?? "cuda");
const { run, release } = STEPS[values.step](device);
const step = capture(device, run);
const enqueue = (captured, times) => {
  for (let i = 0; i < times; i++) captured.replay();
};
const empty = () => void full([1], 0, { device });

/** Nanoseconds until the device has done so many. */
async function taken(captured, times) {
  const start = process.hrtime.bigint();
  enqueue(captured, times);
  await device.finish();
  return Number(process.hrtime.bigint() - start);
}

/** Microseconds that one more replay takes when they are enqueued back to back: begin and end of a row cancel. */
async function spanOf(captured) {
  const half = Math.ceil(replays / 2);
  const whole = await taken(captured, 2 * half);
  return (whole - (await taken(captured, half))) / half / 1000;
}

/**
 * The device's times of a step's kernels, and of empty ones. It has replays to do while the host enqueues these: between the two
 * events around a kernel it never waits for the host.
 */
async function profiled() {
  await device.finish();
  enqueue(step, replays);
  const timings = await device.profile(() => {
    step.replay();
    scope(() => {
      for (let i = 0; i < EMPTY; i++) empty();
    });
  });
  const us = timings.map(({ ms }) => 1000 * ms);
  return { kernels: us.length - EMPTY, timedUs: sum(us.slice(0, -EMPTY)), emptyUs: sum(us.slice(-EMPTY)) / EMPTY };
}

enqueue(step, 3);
scope(empty);
await device.finish();

const from = process.hrtime.bigint();
enqueue(step, Math.floor(replays / 2));
if (values.read) await step.result.data();
enqueue(step, Math.ceil(replays / 2));
const to = process.hrtime.bigint();
await device.finish();

const { kernels } = await profiled();
const nothing = capture(device, () => {
  for (let i = 0; i < kernels; i++) empty();
});
const measured = [];
for (let i = 0; i < rounds; i++) {
  const { timedUs, emptyUs } = await profiled();
  measured.push({ spanUs: await spanOf(step), timedUs, emptyUs, emptyStepUs: await spanOf(nothing) });
}
const window = { from: Number(from), to: Number(to) };
console.log(JSON.stringify({ device: device.description, replays, kernels, ...window, rounds: measured }));
nothing.dispose();
step.dispose();
release();
device.close();
