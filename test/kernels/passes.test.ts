import { afterAll, describe, expect, test } from "vitest";
import { crossEntropy } from "../../engine/ops/cross-entropy.js";
import { softmax } from "../../engine/ops/softmax.js";
import { topK } from "../../engine/ops/top-k.js";
import { tensor } from "../../engine/tensor.js";
import * as adamw from "../../kernels/adamw/kernels.js";
import * as ceiling from "../../kernels/ceiling/kernels.js";
import type { AnyPass, FloatDType, NumberArray } from "../../kernels/contract.js";
import * as entropy from "../../kernels/cross-entropy/kernels.js";
import * as gradNorm from "../../kernels/grad-norm/kernels.js";
import * as l2 from "../../kernels/l2-normalize/kernels.js";
import * as layerNorm from "../../kernels/layer-norm/kernels.js";
import * as rmsNorm from "../../kernels/rms-norm/kernels.js";
import * as rotary from "../../kernels/rotary/kernels.js";
import * as sgd from "../../kernels/sgd/kernels.js";
import * as softmaxes from "../../kernels/softmax/kernels.js";
import * as top from "../../kernels/top-k/kernels.js";
import { tryOpen, tryOpenLikeGpu } from "../support/devices.js";
import { generator } from "../support/random.js";
import { checkPass } from "../support/run-pass.js";

type Numbers = Readonly<Record<string, number>>;
type Arrays = Readonly<Record<string, NumberArray | null>>;

/** Passes that no case of an op reaches, and the tiles of a GPU, which few test machines have. */
interface PassCase {
  readonly pass: AnyPass;
  readonly name: string;
  readonly params: Numbers;
  readonly arrays: Arrays;
  /** By value type; a case runs in those that the device has. */
  readonly tolerance: Readonly<Partial<Record<FloatDType, number>>>;
}

const values = (length: number, seed: string, scale = 1, middle = 0) => {
  const random = generator(seed);
  return Float32Array.from({ length }, () => middle + scale * random.normal());
};
const positive = (length: number, seed: string) => values(length, seed).map((v) => v * v);
const room = (length: number) => new Float32Array(length);

/** Parameters and moments are f32 for every type of the gradient: a few roundings of values of some units. */
const STEP = { f32: 5e-7, bf16: 5e-7, f16: 5e-7 };

function adamwStep(name: string, n: number, clip: number | null, options: Numbers = {}): PassCase {
  const constants = { beta1: 0.9, rest1: 0.1, beta2: 0.999, rest2: 0.001, eps: 1e-8, weightDecay: 0.01 };
  return {
    pass: adamw.step,
    name,
    params: { n, parameters: 3, slot: 1, ...constants, hasClip: clip === null ? 0 : 1, ...options },
    arrays: {
      parameter: values(n, `${name} parameter`),
      gradient: values(n, `${name} gradient`),
      m: values(n, `${name} m`, 0.1),
      v: positive(n, `${name} v`),
      // The corrections of step 3, between those of other parameters.
      schedule: Float32Array.of(1, 1, 1, 0, 0.02, 0.271, 0.002997, 0, 2, 0.1, 0.001, 0),
      clip: clip === null ? null : Float32Array.of(7, clip),
    },
    tolerance: STEP,
  };
}

function sgdStep(name: string, n: number, velocity: boolean, clip: number | null, options: Numbers = {}): PassCase {
  const flags = { hasVelocity: velocity ? 1 : 0, hasClip: clip === null ? 0 : 1 };
  return {
    pass: sgd.step,
    name,
    params: { n, momentum: 0.9, nesterov: 0, weightDecay: 0, ...flags, ...options },
    arrays: {
      parameter: values(n, `${name} parameter`),
      gradient: values(n, `${name} gradient`),
      velocity: velocity ? values(n, `${name} velocity`) : null,
      schedule: Float32Array.of(0.1, 0, 0, 0),
      clip: clip === null ? null : Float32Array.of(4, clip),
    },
    tolerance: STEP,
  };
}

const ceilings: PassCase[] = [
  {
    pass: ceiling.multiplyAdd,
    name: "sums of no whole cell, thread or vector",
    params: { n: 1027, steps: 16, factor: -0.75, term: 1.5 },
    arrays: { y: room(1027) },
    tolerance: { f32: 1e-6 },
  },
  {
    pass: ceiling.matrixMultiplyAdd,
    name: "a block and two warps, five steps",
    params: { B: 10, steps: 5 },
    arrays: { left: values(64 * 16, "left"), right: values(16 * 32, "right"), y: room(10 * 64 * 32) },
    // Sums of 80 products in f32; operands are rounded before.
    tolerance: { bf16: 3e-6, f16: 3e-6 },
  },
  {
    pass: ceiling.copy,
    name: "a tail after whole vectors",
    params: { n: 1003 },
    arrays: { x: values(1003, "copied"), y: room(1003) },
    tolerance: { f32: 0 },
  },
  {
    pass: ceiling.launch,
    name: "one word",
    params: { value: 0xfeedbeef },
    arrays: { y: new Uint32Array(1) },
    tolerance: { f32: 0 },
  },
];

function clipFactor(name: string, maxNorm: number): PassCase {
  const arrays = { partials: positive(700, "partials"), clip: room(2) };
  return { pass: gradNorm.join, name, params: { count: 700, maxNorm }, arrays, tolerance: { f32: 1e-6 } };
}

/** Sizes of a cross entropy, its inputs, room for its outputs, and what the backward pass needs of them. */
function entropyOf(V: number, target: readonly number[], smoothing: number) {
  const T = target.length;
  const sizes = { T, V, ignoreIndex: -100 >>> 0, smoothing };
  const inputs = { logits: values(T * V, `logits ${V}`, 3), target: Int32Array.from(target) };
  const outputs = () => ({ loss: room(T), maximum: room(T), logSum: room(T), faults: new Uint32Array(4) });
  const made = outputs();
  entropy.forward.reference({ ...inputs, ...made }, { ...sizes, faultLabel: 1 });
  return { sizes, inputs, outputs, saved: { maximum: made.maximum, logSum: made.logSum } };
}

function entropyGradient(
  name: string,
  V: number,
  target: readonly number[],
  smoothing: number,
  mean: boolean,
): PassCase {
  const { sizes, inputs, saved } = entropyOf(V, target, smoothing);
  const dy = values(mean ? 1 : target.length, name);
  return {
    pass: entropy.backwardInPlace,
    name,
    params: { ...sizes, perToken: mean ? 0 : 1 },
    arrays: { ...inputs, ...saved, dy, scale: mean ? Float32Array.of(0.25) : null },
    // Those of kernels/cross-entropy/cases.ts.
    tolerance: { f32: 2e-6, bf16: 4e-3, f16: 5e-4 },
  };
}

function entropyFault(name: string, target: readonly number[], faults: readonly number[]): PassCase {
  const { sizes, inputs, outputs } = entropyOf(9, target, 0);
  return {
    pass: entropy.forward,
    name,
    params: { ...sizes, faultLabel: 5 },
    arrays: { ...inputs, ...outputs(), faults: Uint32Array.from(faults) },
    tolerance: { f32: 1e-6 },
  };
}

function noRows(pass: AnyPass): PassCase {
  const sums = { dweight: room(5), dbias: room(5) };
  const arrays = { dy: room(0), x: room(0), mean: room(0), rstd: room(0), ...sums };
  return { pass, name: "no rows: zeros", params: { T: 0, C: 5 }, arrays, tolerance: { f32: 0, f16: 0 } };
}

const everywhere: PassCase[] = [
  adamwStep("one element", 1, null),
  adamwStep("several workgroups and a tail, clipped", 1027, 0.3),
  adamwStep("decay against a large rate", 300, null, { weightDecay: 0.5, eps: 0.1 }),
  sgdStep("neither velocity nor clip", 1027, false, null),
  sgdStep("momentum and decay", 300, true, null, { weightDecay: 0.1 }),
  sgdStep("Nesterov, clipped", 300, true, 0.25, { nesterov: 1, momentum: 0.8 }),
  {
    pass: gradNorm.partial,
    name: "three blocks between those of other gradients",
    params: { n: 40_000, offset: 2, count: 7 },
    arrays: { x: values(40_000, "gradient"), partials: values(7, "partials") },
    tolerance: { f32: 2e-6, bf16: 2e-6, f16: 2e-6 },
  },
  clipFactor("a norm above the largest", 1),
  clipFactor("a norm below it: the factor is 1", 1000),
  entropyGradient("a mean, one ignored", 40, [3, -100, 39, 0], 0, true),
  entropyGradient("per token, smoothed, over several blocks", 4500, [4499, 2, -100], 0.1, false),
  entropyGradient("targets out of range: zeros", 8, [3, 8, -1], 0, false),
  {
    pass: entropy.backwardInPlace,
    name: "a target near certainty: exp - 1 does not cancel",
    params: { T: 1, V: 2, ignoreIndex: -100 >>> 0, smoothing: 0, perToken: 1 },
    arrays: {
      logits: Float32Array.of(0, -12),
      target: Int32Array.of(0),
      maximum: room(1),
      logSum: Float32Array.of(Math.log1p(Math.exp(-12))),
      // Brings a gradient of 6e-6 to where the tolerance sees it.
      dy: Float32Array.of(1e6),
      scale: null,
    },
    tolerance: { f32: 1e-6 },
  },
  entropyFault("a target out of range: zeros and a fault", [3, 9], [0, 0, 0, 0]),
  entropyFault("the first fault stays", [-7, 2], [1, 2, 3, 4]),
  {
    pass: top.forward,
    name: "infinities at both ends of a row",
    params: { T: 1, V: 6, K: 6 },
    arrays: {
      x: Float32Array.of(1, -Infinity, 3e38, Infinity, -3e38, -0),
      values: room(6),
      indices: new Int32Array(6),
    },
    tolerance: { f32: 0 },
  },
  noRows(layerNorm.backwardWeight),
  noRows(rmsNorm.backwardWeight),
  ...ceilings,
];

/** Every pass whose threads for a row depend on the adapter. */
function rows(T: number, C: number): PassCase[] {
  const make = (pass: AnyPass, params: Numbers, arrays: Arrays, f32 = 3e-6): PassCase => ({
    ...{ pass, name: `${T} rows of ${C}`, params: { T, C, ...params }, arrays },
    tolerance: { f32 },
  });
  const inputs = {
    x: values(T * C, `x ${C}`),
    dy: values(T * C, `dy ${C}`),
    weight: values(C, `weight ${C}`),
    bias: values(C, `bias ${C}`),
  };
  const forward = { ...inputs, y: room(T * C), mean: room(T), rstd: room(T), norm: room(T) };
  const backward = {
    ...inputs,
    y: positive(T * C, `y ${C}`).map((v) => v / C),
    mean: values(T, "mean", 0.1),
    rstd: values(T, "rstd", 0.1, 1),
    norm: values(T, "norm", 0.1, 10),
    dx: room(T * C),
  };
  const target = Array.from({ length: T }, (_, t) => (t * 31) % C);
  const losses = entropyOf(C, target, 0.1);
  const best = { x: inputs.x, values: room(T * 5), indices: new Int32Array(T * 5) };
  return [
    make(layerNorm.forward, { eps: 1e-5 }, forward),
    make(layerNorm.backwardInput, {}, backward),
    make(rmsNorm.forward, { eps: 1e-5 }, forward),
    make(rmsNorm.backwardInput, {}, backward),
    make(l2.forward, { eps: 1e-12 }, forward),
    make(l2.backward, { eps: 1e-12 }, backward),
    make(softmaxes.forward, { log: 0 }, forward),
    make(softmaxes.backward, { log: 0 }, backward),
    make(entropy.forward, { ...losses.sizes, faultLabel: 1 }, { ...losses.inputs, ...losses.outputs() }),
    make(top.forward, { V: C, K: 5 }, best, 0),
  ];
}

const cpu = await tryOpen("cpu", { debug: true, threads: 2 });
const webgpu = await tryOpen("webgpu", { debug: true });
const likeGpu = await tryOpenLikeGpu({ debug: true });
const cuda = await tryOpen("cuda", { debug: true });
afterAll(() => {
  for (const { device } of [cpu, webgpu, likeGpu, cuda]) device?.close();
});

describe.each([
  ["cpu", cpu, everywhere],
  ["webgpu", webgpu, everywhere],
  ["webgpu with the tiles of a GPU", likeGpu, rows(7, 150)],
  ["cuda", cuda, [...everywhere, ...rows(7, 150)]],
])("%s", (_name, { device, reason }, cases) => {
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  for (const { pass, name, params, arrays, tolerance } of cases) {
    const known: readonly FloatDType[] = pass[device.name as "cpu" | "webgpu" | "cuda"]?.dtypes ?? [];
    for (const [dtype, limit] of Object.entries(tolerance) as [FloatDType, number][]) {
      if (!known.includes(dtype)) continue;
      test(`${pass.label} ${dtype}: ${name}`, () => checkPass(device.binding, pass, arrays, params, limit, dtype));
    }
  }
});

describe.each([
  ["cpu", cpu],
  ["webgpu", webgpu],
  ["cuda", cuda],
])("NaN on %s", (_name, { device, reason }) => {
  if (!device) return test.skip(`opens: ${reason}`, () => {});

  test("is first in top-k: it should not go unseen", async () => {
    using x = tensor([1, Number.NaN, 7, -Infinity, Number.NaN, 7], { device });
    const { values, indices } = topK(x, 6);
    expect([...(await indices.data())]).toEqual([1, 4, 2, 5, 0, 3]);
    expect([...(await values.data())]).toEqual([Number.NaN, Number.NaN, 7, 7, 1, -Infinity]);
    for (const t of [values, indices]) t.dispose();
  });

  test("fills its row in softmax and cross entropy, and no other", async () => {
    using x = tensor([1, Number.NaN, 2, 0, 0, -Infinity], { device, shape: [2, 3] });
    using y = softmax(x);
    expect([...(await y.data())]).toEqual([Number.NaN, Number.NaN, Number.NaN, 0.5, 0.5, 0]);
    using target = tensor(Int32Array.of(0, 1), { device });
    using loss = crossEntropy(x, target, { reduction: "none" });
    const [first, second] = await loss.data();
    expect(first).toBeNaN();
    expect(second).toBeCloseTo(Math.LN2, 6);
  });
});

test.skipIf(!webgpu.device)("rotary refuses frequencies that rise on webgpu", () => {
  const binding = webgpu.device?.binding;
  const [x, y] = [0, 1].map(() => binding?.allocate(4, "f32") ?? null);
  const sizes = { B: 1, L: 1, H: 1, D: 4, rotaryDim: 4 };
  const flags = { interleaved: 0, start: 0, hasPositions: 0, inverse: 0 };
  expect(() => binding?.launch(rotary.forward, "f32", [x, null, y], { ...sizes, ...flags, theta: 0.5 })).toThrow(
    "rotary/forward: theta 0.5 is below 1, which webgpu does not take",
  );
});
