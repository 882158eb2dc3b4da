import { run } from "../../engine/dispatch/run.js";
import { type Device, type Tensor, tensor } from "../../engine/index.js";
import { MATRIX, matrixMultiplyAdd, multiplyAdd } from "../../kernels/ceiling/kernels.js";
import type { FloatDType } from "../../kernels/contract.js";
import { normals } from "../inputs.js";
import { fastestCall, type Limits } from "./fastest-call.js";

/** A launch is to take so long that what is around its loop does not count. */
const LAUNCH_SECONDS = 0.005;
const MIN_STEPS = 64;
const MAX_STEPS = 2 ** 20;
/** Numbers that are not simple, and come to rest: neither grow without bounds nor vanish. */
const FACTOR = -0.999;
const TERM = 1.9;

/** Operations a second of fused multiply-adds in f32, `sums` of them side by side. */
export async function multiplyAddRate(device: Device, sums: number, limits: Limits): Promise<number> {
  const { y } = run(device, multiplyAdd, { y: [sums] }, { n: sums, steps: 0, factor: 0, term: 0 });
  try {
    const call = (steps: number) => () =>
      void run(device, multiplyAdd, { y }, { n: sums, steps, factor: FACTOR, term: TERM });
    const { steps, seconds } = await withEnoughSteps(device, call, limits);
    const rest = TERM / (1 - FACTOR);
    const expected = (i: number) => rest + ((i % 256) - rest) * FACTOR ** steps;
    check("multiply-adds", (await y.data()) as Float32Array, expected, () => 0.01);
    return (2 * sums * steps) / seconds;
  } finally {
    y.dispose();
  }
}

/** The same of matrix units, with operands of 16 bits and sums in f32. */
export async function matrixRate(device: Device, dtype: FloatDType, tiles: number, limits: Limits): Promise<number> {
  const { M, N, K } = MATRIX;
  const left = operand(device, dtype, [M, K], 0);
  const right = operand(device, dtype, [K, N], 1);
  const { y } = run(device, matrixMultiplyAdd, { left, right, y: [tiles, M, N] }, { B: tiles, steps: 0 });
  try {
    const call = (steps: number) => () => void run(device, matrixMultiplyAdd, { left, right, y }, { B: tiles, steps });
    const { steps, seconds } = await withEnoughSteps(device, call, limits);
    const [a, b] = [await left.data(), await right.data()];
    const product = (m: number, n: number) => {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += a[m * K + k] * b[k * N + n];
      return sum;
    };
    const tile = Float64Array.from({ length: M * N }, (_, i) => steps * product(Math.floor(i / N), i % N));
    const expected = (i: number) => tile[i % tile.length];
    // One number is added to a sum that grows: each addition may be off by two units in the sum's last place, always to one side
    // (tensor cores cut digits off).
    const tolerance = (i: number) => steps * (1e-3 + 2 ** -22 * Math.abs(expected(i)));
    check("matrix products", (await y.data()) as Float32Array, expected, tolerance);
    return (2 * tiles * M * N * K * steps) / seconds;
  } finally {
    for (const t of [left, right, y]) t.dispose();
  }
}

function operand(device: Device, dtype: FloatDType, shape: readonly number[], stream: number): Tensor {
  return tensor(normals(shape, stream).values, { device, shape, dtype });
}

/** Steps of a launch that is long enough, and the seconds it takes at best. */
async function withEnoughSteps(device: Device, call: (steps: number) => () => void, limits: Limits) {
  let steps = MIN_STEPS;
  const brief = { ...limits, seconds: 0 };
  while (steps < MAX_STEPS) {
    const taken = await onceSeconds(device, call(steps), brief);
    if (taken >= LAUNCH_SECONDS) break;
    steps = Math.min(MAX_STEPS, steps * (taken < LAUNCH_SECONDS / 16 ? 16 : 2));
  }
  return { steps, seconds: await fastestCall(device, call(steps), limits) };
}

/** One launch after one that may compile it, by the host's clock. */
async function onceSeconds(device: Device, call: () => void, { signal }: Limits): Promise<number> {
  signal?.throwIfAborted();
  call();
  await device.finish();
  const start = performance.now();
  call();
  await device.finish();
  return (performance.now() - start) / 1000;
}

/** A rate of work that was not done is none. */
function check(
  what: string,
  got: Float32Array,
  expected: (i: number) => number,
  tolerance: (i: number) => number,
): void {
  for (let i = 0; i < got.length; i++)
    if (!(Math.abs(got[i] - expected(i)) <= tolerance(i)))
      throw new Error(`ceilings: the loop of ${what} gave ${got[i]} for ${expected(i)} at element ${i}`);
}
