import { afterAll, describe, expect, test } from "vitest";
import type { Device } from "../../engine/device/device.js";
import { step as adamw, advance } from "../../kernels/adamw/kernels.js";
import type { AnyPass } from "../../kernels/contract.js";
import { next, unscale } from "../../kernels/loss-scale/kernels.js";
import { step as sgd } from "../../kernels/sgd/kernels.js";
import { tryOpen } from "../support/devices.js";
import { gpusTest } from "../support/gpus.js";
import { generator } from "../support/random.js";
import { checkPass } from "../support/run-pass.js";

const cpu = await tryOpen("cpu", { debug: true, threads: 2 });
afterAll(() => cpu.device?.close());

const normal = (length: number, seed: string) => {
  const random = generator(seed);
  return Float32Array.from({ length }, () => random.normal());
};
const positive = (length: number, seed: string) => normal(length, seed).map(Math.abs);

const INF = Number.POSITIVE_INFINITY;

interface Case {
  readonly name: string;
  readonly pass: AnyPass;
  readonly arrays: Readonly<Record<string, Float32Array | Uint32Array | null>>;
  readonly params: Readonly<Record<string, number>>;
}

const N = 16384 + 77;
const betas = { beta1: 0.9, rest1: 1 - 0.9, beta2: 0.999, rest2: 1 - 0.999 };
const clips: [string, Float32Array | null][] = [
  ["without a factor", null],
  ["with a factor", Float32Array.of(3, 0.25)],
  ["skipped", Float32Array.of(INF, -1)],
];

const steps = clips.flatMap(([name, clip]): Case[] => {
  const hasClip = clip ? 1 : 0;
  const given = { parameter: normal(N, "p"), gradient: normal(N, "g"), clip };
  return [
    {
      name: `adamw/advance ${name}`,
      pass: advance,
      arrays: {
        rate: Float32Array.of(0.5, 0, 0, 0),
        slots: Uint32Array.of(2, 0),
        clip,
        schedule: Float32Array.of(0.1, 0.1, 0.001, 0, 0.2, 0.19, 0.002, 7, 0, 0, 0, 0),
      },
      params: { count: 2, parameters: 3, ...betas, hasClip },
    },
    {
      name: `adamw/step ${name}`,
      pass: adamw,
      arrays: {
        ...{ ...given, m: normal(N, "m"), v: positive(N, "v") },
        schedule: Float32Array.of(9, 9, 9, 9, 0.1, 0.19, 0.002, 0),
      },
      params: { n: N, parameters: 2, slot: 1, ...betas, eps: 1e-8, weightDecay: 0.05, hasClip },
    },
    ...[0, 1].map((nesterov) => ({
      name: `sgd/step ${name}, nesterov ${nesterov}`,
      pass: sgd,
      arrays: { ...given, velocity: normal(N, "u"), schedule: Float32Array.of(0.1, 0, 0, 0) },
      params: { n: N, momentum: 0.9, nesterov, weightDecay: 0.05, hasVelocity: 1, hasClip },
    })),
  ];
});

const unscaled = (name: string, scaled: number, maxNorm: number, found = 0): Case => ({
  name: `loss-scale/unscale ${name}`,
  pass: unscale,
  arrays: {
    scaled: Float32Array.of(scaled, 1),
    scale: Float32Array.of(1024),
    counts: Float32Array.of(7, found, 3),
    clip: new Float32Array(2),
  },
  params: { maxNorm },
});
const moved = (name: string, scale: number, counts: number[]): Case => ({
  name: `loss-scale/next ${name}`,
  pass: next,
  arrays: { scale: Float32Array.of(scale), counts: Float32Array.from(counts) },
  params: { growth: 2, backoff: 0.5, interval: 10 },
});

const scales = [
  unscaled("below the largest norm", 2048, 3),
  unscaled("above it", 4096, 3),
  unscaled("an overflow of another optimiser stays", 2048, 3, 1),
  unscaled("infinite", INF, 3),
  moved("a good step", 1024, [3, 0, 2]),
  moved("the last before growth", 1024, [9, 0, 2]),
  moved("growth beyond f32", 2 ** 127, [9, 0, 2]),
  moved("an overflow", 1024, [9, 1, 2]),
];

// A few f32 operations each, on values of about 1.
const TOLERANCE = 5e-7;

for (const { name, pass, arrays, params } of [...steps, ...scales])
  if (pass.webgpu)
    gpusTest(name, async (gpu) => {
      await checkPass(gpu, pass, arrays, params, TOLERANCE);
    });

describe.skipIf(!cpu.device)(`optimiser passes on cpu ${cpu.reason}`, () => {
  test.each([...steps, ...scales])("$name", async ({ pass, arrays, params }) => {
    await checkPass((cpu.device as Device).binding, pass, arrays, params, TOLERANCE);
  });

  test("bias corrections follow 1 - βᵗ over ten thousand steps", async () => {
    const schedule = new Float64Array(4);
    for (let t = 1; t <= 10_000; t++) {
      advance.reference(
        { rate: Float32Array.of(1, 0, 0, 0), slots: Uint32Array.of(0), clip: null, schedule },
        { count: 1, parameters: 1, ...betas, hasClip: 0 },
      );
      if (t % 2500 === 0) {
        expect(schedule[1]).toBeCloseTo(1 - 0.9 ** t, 12);
        expect(schedule[2]).toBeCloseTo(1 - 0.999 ** t, 12);
      }
    }
  });
});
