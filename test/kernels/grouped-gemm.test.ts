import { describe } from "vitest";
import type { AnyPass, NumberArray } from "../../kernels/contract.js";
import * as grouped from "../../kernels/grouped-gemm/kernels.js";
import { ACTIVATIONS } from "../../kernels/matmul/activation.js";
import { ADAPTERS } from "../support/devices.js";
import { computesF16, gpusTest } from "../support/gpus.js";
import { generator } from "../support/random.js";
import { routingOf } from "../support/routing.js";
import { checkPass } from "../support/run-pass.js";

/** A routing, and the sizes of what is multiplied by it: O columns out, K in. */
interface Problem {
  readonly name: string;
  readonly T: number;
  readonly E: number;
  readonly choices: number;
  readonly O: number;
  readonly K: number;
  readonly capacity?: number;
  /** Experts that tokens choose from, all others have none. */
  readonly chosen?: number;
  /** Also with weights as [S,K,N], and in f16. */
  readonly thorough?: true;
}

const problems: readonly Problem[] = [
  { name: "one token, one expert", T: 1, E: 1, choices: 1, O: 1, K: 1 },
  { name: "every expert of every token", T: 5, E: 3, choices: 3, O: 8, K: 12 },
  { name: "all on one expert, six without a row", T: 70, E: 7, choices: 1, O: 20, K: 16, chosen: 1 },
  { name: "more experts than rows", T: 3, E: 40, choices: 2, O: 6, K: 9 },
  { name: "some dropped", T: 50, E: 4, choices: 2, O: 36, K: 33, capacity: 17, thorough: true },
  { name: "odd sizes over several tiles", T: 131, E: 3, choices: 2, O: 67, K: 45, thorough: true },
  { name: "aligned sizes over several tiles", T: 150, E: 4, choices: 2, O: 96, K: 64 },
];

const TOLERANCE = { f32: 4e-6, f16: 4e-3 } as const;

interface Call {
  readonly pass: AnyPass;
  readonly name: string;
  readonly params: Readonly<Record<string, number>>;
  readonly arrays: Readonly<Record<string, NumberArray | null>>;
}

/** The calls of one problem: with and without each option of a pass. */
function calls({ T, E, choices, O, K, capacity = T * choices, chosen = E, thorough, name }: Problem): Call[] {
  const random = generator(name);
  const normal = (length: number, scale = 1, middle = 0) =>
    Float32Array.from({ length }, () => middle + scale * random.normal());
  const R = T * choices;
  const routing = routingOf({ T, E, K: choices, capacity, chosen }, name);
  const { lists, offsets } = routing;
  const L = lists.length;
  const scale = 1 / Math.sqrt(K);
  const found: Call[] = [];

  for (const transposed of thorough ? [0, 1] : [1]) {
    const weightOf = (n: number, k: number) => normal(E * n * k, scale);
    const forward = (label: string, options: Record<string, number>, buffers: Record<string, NumberArray | null>) => {
      const N = options.gated ? 2 * O : O;
      found.push({
        pass: grouped.forward,
        name: `${label}, transposed ${transposed}`,
        params: {
          ...{ T, R, E, N, K, L, transposed, choices, gather: 1, O, activation: 0, gated: 0, accumulate: 0 },
          ...{ hasBias: buffers.bias ? 1 : 0, hasPre: buffers.pre ? 1 : 0, ...options },
        },
        arrays: {
          x: normal(T * K),
          weight: weightOf(N, K),
          bias: null,
          lists,
          pre: null,
          y: normal(R * O),
          ...buffers,
        },
      });
    };
    forward("forward: gathered", {}, {});
    forward("forward: grouped, bias, adds", { gather: 0, accumulate: 1 }, { x: normal(R * K), bias: normal(E * O) });
    forward("forward: GELU", { activation: ACTIVATIONS.gelu }, { bias: normal(E * O), pre: normal(R * O) });
    const gated = { activation: ACTIVATIONS.silu, gated: 1 };
    forward("forward: SwiGLU", gated, { pre: normal(R * 2 * O) });
    forward(
      "forward: GEGLU, bias, adds",
      { ...gated, activation: ACTIVATIONS.gelu, accumulate: 1 },
      {
        bias: normal(E * 2 * O),
        pre: normal(R * 2 * O),
      },
    );
    forward("forward: SwiGLU, nothing saved", gated, {});

    for (const gather of [0, 1])
      found.push({
        pass: grouped.backwardInput,
        name: `backward-input: gather ${gather}, adds ${gather}, transposed ${transposed}`,
        params: { ...{ T, R, E, N: O, K, L, transposed, choices, gather, accumulate: gather } },
        arrays: { dy: normal((gather ? T : R) * O), weight: weightOf(K, O), lists, dx: normal(R * K) },
      });

    for (const gated of [0, 1]) {
      const N = (1 + gated) * O;
      const activation = gated ? ACTIVATIONS.silu : ACTIVATIONS.geluTanh;
      found.push({
        pass: grouped.backwardActivation,
        name: `backward-activation: gated ${gated}, transposed ${transposed}`,
        params: {
          ...{ T, R, E, N, C: K, L, W: R, transposed, choices, O, activation, gated, hasBias: gated },
        },
        arrays: {
          ...{ dout: normal(T * K), weight: weightOf(O, K), bias: gated ? normal(E * K, scale) : null, lists },
          ...{ weights: normal(R, 0.3, 0.5), pre: normal(R * N), dpre: normal(R * N), a: normal(R * O) },
          dweights: normal(R),
        },
      });
    }

    for (const [gatherDy, gatherX] of [
      [0, 1],
      [1, 0],
    ]) {
      const rowsScale = 1 / Math.sqrt(Math.max(1, offsets[E] / E));
      found.push({
        pass: grouped.backwardWeight,
        name: `backward-weight: ${gatherDy ? "dy" : "x"} gathered, transposed ${transposed}`,
        params: {
          ...{ D: gatherDy ? T : R, S: gatherX ? T : R, R, E, N: O, K, L, W: gatherDy ? R : 0, transposed },
          ...{ choices, gatherDy, gatherX, accumulate: gatherX, accumulateBias: gatherX },
          ...{ hasWeights: gatherDy, hasDbias: 1 },
        },
        arrays: {
          ...{ dy: normal((gatherDy ? T : R) * O, rowsScale), x: normal((gatherX ? T : R) * K), lists },
          weights: gatherDy ? normal(R, 0.3, 0.5) : null,
          ...{ dweight: normal(E * O * K), dbias: normal(E * O) },
        },
      });
    }
  }
  return found;
}

const adapters = [
  ["its own tiles", {}],
  ["the tiles of a GPU", ADAPTERS.hardware],
] as const;

describe.each(adapters)("grouped-gemm on GPUs with %s", (_, limits) => {
  for (const problem of problems)
    for (const { pass, name, params, arrays } of calls(problem))
      for (const dtype of problem.thorough ? (["f32", "f16"] as const) : (["f32"] as const))
        gpusTest(
          `${name}: ${problem.name} ${dtype}`,
          async (gpu) => {
            if (dtype === "f16" && !computesF16(gpu)) return;
            await checkPass(gpu, pass, arrays, params, TOLERANCE[dtype], dtype);
          },
          limits,
        );
});
