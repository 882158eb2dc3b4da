import * as adamw from "../../../kernels/adamw/kernels.js";
import * as gradNorm from "../../../kernels/grad-norm/kernels.js";
import * as sgd from "../../../kernels/sgd/kernels.js";
import { tryOpen } from "../../support/devices.js";
import { describePasses, type Numbers, type PassCase, positive, room, values } from "../../support/pass-cases.js";

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

function clipFactor(name: string, maxNorm: number): PassCase {
  const arrays = { partials: positive(700, "partials"), clip: room(2) };
  return { pass: gradNorm.join, name, params: { count: 700, maxNorm }, arrays, tolerance: { f32: 1e-6 } };
}

const cases: PassCase[] = [
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
];

describePasses([
  ["cpu", await tryOpen("cpu", { debug: true, threads: 2 }), cases],
  ["webgpu", await tryOpen("webgpu", { debug: true }), cases],
  ["cuda", await tryOpen("cuda", { debug: true }), cases],
]);
