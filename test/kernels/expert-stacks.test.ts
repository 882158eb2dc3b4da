import { describe, expect } from "vitest";
import type { AnyPass, NumberArray } from "../../kernels/contract.js";
import * as grouped from "../../kernels/grouped-gemm/kernels.js";
import { ACTIVATIONS } from "../../kernels/matmul/activation.js";
import { ADAPTERS } from "../support/devices.js";
import { gpusTest } from "../support/gpus.js";
import { generator } from "../support/random.js";
import { routingOf } from "../support/routing.js";
import { checkPass } from "../support/run-pass.js";
import { gpuTest } from "../support/webgpu.js";

/** A stack of five experts, 8 KiB each, on an adapter whose bindings hold 20 KiB: two, two and one. */
const MOST = 20 * 1024;
const [T, E, choices, O, K] = [24, 5, 2, 32, 32];
const [N, R] = [2 * O, T * choices];
const random = generator("expert stacks");
const normal = (length: number, scale = 1) => Float32Array.from({ length }, () => scale * random.normal());
/** Some rows dropped, and an expert without any. */
const { lists } = routingOf({ T, E, K: choices, capacity: 11, chosen: 4 }, "expert stacks");
const sizes = { R, E, L: lists.length, transposed: 1, choices };
const weight = normal(E * N * K, 0.2);

type Case = readonly [AnyPass, Record<string, number>, Record<string, NumberArray | null>, number];
// Adding to what is there shows a row that two parts compute.
const cases: Record<string, Case> = {
  forward: [
    grouped.forward,
    { ...{ T, N, K, O, gather: 1, activation: ACTIVATIONS.silu, gated: 1 }, accumulate: 1, hasBias: 1, hasPre: 1 },
    { x: normal(T * K), weight, bias: normal(E * N), lists, pre: normal(R * N), y: normal(R * O) },
    3,
  ],
  "backward-input": [
    grouped.backwardInput,
    { T, N, K, gather: 1, accumulate: 1 },
    { dy: normal(T * N), weight, lists, dx: normal(R * K) },
    3,
  ],
  "backward-activation": [
    grouped.backwardActivation,
    { T, N: K, C: N, O: K, W: R, activation: ACTIVATIONS.gelu, gated: 0, hasBias: 1 },
    {
      ...{ dout: normal(T * N), weight, bias: normal(E * N), lists, weights: normal(R), pre: normal(R * K) },
      ...{ dpre: normal(R * K), a: normal(R * K), dweights: normal(R) },
    },
    4,
  ],
  "backward-weight": [
    grouped.backwardWeight,
    {
      ...{ D: R, S: T, N, K, W: R, gatherDy: 0, gatherX: 1 },
      ...{ accumulate: 1, accumulateBias: 1, hasWeights: 1, hasDbias: 1 },
    },
    {
      ...{ dy: normal(R * N), x: normal(T * K), lists, weights: normal(R) },
      ...{ dweight: normal(E * N * K), dbias: normal(E * N) },
    },
    3,
  ],
};

describe.each([
  ["its own tiles", {}],
  ["the tiles of a GPU", ADAPTERS.hardware],
])("a stack larger than a binding, with %s", (_, limits) => {
  for (const [name, [pass, params, arrays, dispatches]] of Object.entries(cases))
    gpuTest(
      `${name}: in parts of whole experts`,
      async (gpu) => {
        await gpu.finish();
        const before = gpu.counters.launches;
        await checkPass(gpu, pass, arrays, { ...sizes, ...params }, 4e-6);
        expect(gpu.counters.launches - before).toBe(dispatches);
      },
      { ...limits, maxBinding: MOST },
    );
});

for (const [name, [pass, params, arrays]] of Object.entries(cases))
  gpusTest(`${name}: whole`, (gpu) => checkPass(gpu, pass, arrays, { ...sizes, ...params }, 4e-6));
