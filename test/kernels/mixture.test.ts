import { afterAll, describe, test } from "vitest";
import type { AnyPass, FloatDType, NumberArray } from "../../kernels/contract.js";
import * as grouped from "../../kernels/grouped-gemm/kernels.js";
import { ACTIVATIONS } from "../../kernels/matmul/activation.js";
import * as permute from "../../kernels/token-permute/kernels.js";
import * as routing from "../../kernels/top-k-routing/kernels.js";
import * as routingReference from "../../kernels/top-k-routing/reference.js";
import { tryOpen } from "../support/devices.js";
import { generator } from "../support/random.js";
import { checkPass } from "../support/run-pass.js";
import { tooLarge } from "../support/simulated.js";

/** The passes of a mixture of experts with all their flags, by lists whose experts have the given numbers of tokens. */

type Numbers = Readonly<Record<string, number>>;
type Arrays = Readonly<Record<string, NumberArray | null>>;

const values = (length: number, seed: string, scale = 1) => {
  const random = generator(seed);
  return Float32Array.from({ length }, () => scale * random.normal());
};
const room = (length: number) => new Float32Array(length);

interface Routed {
  readonly T: number;
  readonly E: number;
  readonly K: number;
  /** Added to the logits of an expert: who is chosen often, or never. */
  readonly favour?: readonly number[];
  readonly capacity?: number;
}

/** Lists and weights of random logits, by the reference. */
function routed({ T, E, K, favour = [], capacity = T * K }: Routed) {
  const L = routing.listPlaces(E, T * K).length;
  const logits = values(T * E, `logits ${T} ${E} ${K}`).map((v, i) => v + (favour[i % E] ?? 0));
  const [lists, weights] = [new Int32Array(L), room(T * K)];
  const faults = new Uint32Array(4);
  const choice = { score: 0, normalize: 0, epsilon: 0, scale: 1, countFirst: 0 };
  const rest = { noiseKind: 0, priority: 0, capacity, groups: 1, topGroups: 1, sequence: 0, faultLabel: 0 };
  routingReference.forward(
    { logits, bias: null, noise: null, used: null, random: null, weights, lists, sums: room(E + 2), faults },
    { T, E, K, ...choice, ...rest },
  );
  return { lists, weights, sizes: { T, R: T * K, E, L }, choices: K };
}

/** Routes with the widths N × K of products: odd, about a strip, past a block of what is summed over, past a cell's columns. */
const ROUTES: Readonly<Record<string, Routed & { readonly widths: readonly (readonly [N: number, K: number])[] }>> = {
  "few rows each (decode)": {
    T: 3,
    E: 4,
    K: 2,
    widths: [
      [70, 33],
      [34, 300],
      [1100, 12],
    ],
  },
  "one token, every expert": { T: 1, E: 4, K: 4, widths: [[34, 300]] },
  "an empty expert, tails everywhere": {
    T: 41,
    E: 5,
    K: 2,
    favour: [0, 9, -99, 0, 0],
    widths: [
      [70, 33],
      [10, 401],
      [402, 9],
      [1100, 12],
    ],
  },
  "all on one expert, several blocks": { T: 400, E: 4, K: 1, favour: [0, 0, 99, 0], widths: [[34, 17]] },
  "rows that nobody has": { T: 70, E: 3, K: 2, capacity: 30, widths: [[70, 33]] },
  "no token": { T: 0, E: 3, K: 2, widths: [[34, 17]] },
};

interface PassCase {
  readonly pass: AnyPass;
  readonly name: string;
  readonly params: Numbers;
  readonly arrays: Arrays;
}

function groupedCases(route: string, spec: Routed, [N, K]: readonly [number, number], transposed: number): PassCase[] {
  const { lists, weights, sizes, choices } = routed(spec);
  const { T, R, E } = sizes;
  const seed = `${route} ${N} ${K}`;
  const weight = values(E * N * K, `${seed} weight`, 1 / Math.sqrt(K));
  const found: PassCase[] = [];
  const none = { activation: ACTIVATIONS.none, gated: 0 };
  const each = `${route}, ${N} × ${K}, ${transposed ? "[E,N,K]" : "[E,K,N]"}`;

  const forward = (what: string, options: Numbers, arrays: Arrays) =>
    found.push({
      pass: grouped.forward,
      name: `${each}: ${what}`,
      params: {
        ...sizes,
        N,
        K,
        transposed,
        choices,
        gather: 1,
        O: N,
        ...none,
        accumulate: 0,
        hasBias: 0,
        hasPre: 0,
        ...options,
      },
      arrays: { x: values(T * K, `${seed} x`), weight, bias: null, lists, pre: null, y: room(R * N), ...arrays },
    });
  forward("gathered", {}, {});
  forward(
    "adding, with a bias, by offsets alone",
    { gather: 0, accumulate: 1, hasBias: 1, T: R, L: E + 1 },
    {
      x: values(R * K, `${seed} rows`),
      lists: lists.slice(0, E + 1),
      bias: values(E * N, `${seed} bias`),
      y: values(R * N, `${seed} y`),
    },
  );
  const gated = { activation: ACTIVATIONS.silu, gated: 1, O: N / 2, hasPre: 1 };
  forward("gated", gated, { pre: room(R * N), y: room((R * N) / 2) });
  forward(
    "gated, adding to pre",
    { ...gated, accumulate: 1, hasBias: 1 },
    {
      bias: values(E * N, `${seed} bias`),
      pre: values(R * N, `${seed} pre`),
      y: room((R * N) / 2),
    },
  );
  forward(
    "with GELU and no pre",
    { activation: ACTIVATIONS.gelu, hasBias: 1 },
    { bias: values(E * N, `${seed} bias`) },
  );
  forward("gated without an activation", { gated: 1, O: N / 2 }, { y: room((R * N) / 2) });

  for (const [gather, accumulate] of [
    [0, 0],
    [1, 1],
    [1, 0],
  ])
    found.push({
      pass: grouped.backwardInput,
      name: `${each}: backward, gather ${gather}, accumulate ${accumulate}`,
      params: { ...sizes, T: gather ? T : R, N, K, transposed, choices, gather, accumulate },
      arrays: {
        dy: values((gather ? T : R) * N, `${seed} dy`),
        weight,
        lists,
        dx: accumulate ? values(R * K, `${seed} dx`) : room(R * K),
      },
    });

  for (const gated of [0, 1]) {
    const hasBias = gated;
    found.push({
      pass: grouped.backwardActivation,
      name: `${each}: back through the activation, gated ${gated}`,
      params: {
        ...sizes,
        N: N * (1 + gated),
        C: K,
        W: R,
        transposed,
        choices,
        O: N,
        activation: gated ? ACTIVATIONS.silu : ACTIVATIONS.geluTanh,
        gated,
        hasBias,
      },
      arrays: {
        dout: values(T * K, `${seed} dout`),
        weight,
        bias: hasBias ? values(E * K, `${seed} bias`) : null,
        lists,
        weights,
        pre: values(R * N * (1 + gated), `${seed} pre`),
        dpre: room(R * N * (1 + gated)),
        a: room(R * N),
        dweights: room(R),
      },
    });
  }

  for (const [gatherDy, gatherX, accumulate, bias] of [
    [0, 1, 0, 0],
    [1, 0, 1, 1],
    [0, 0, 0, 1],
  ])
    found.push({
      pass: grouped.backwardWeight,
      name: `${each}: weight, gather ${gatherDy}${gatherX}, accumulate ${accumulate}, bias ${bias}`,
      params: {
        D: gatherDy ? T : R,
        S: gatherX ? T : R,
        R,
        E,
        N,
        K,
        L: sizes.L,
        W: R,
        transposed,
        choices,
        gatherDy,
        gatherX,
        accumulate,
        accumulateBias: accumulate,
        hasWeights: gatherDy,
        hasDbias: bias,
      },
      arrays: {
        dy: values((gatherDy ? T : R) * N, `${seed} dy`, 0.2),
        x: values((gatherX ? T : R) * K, `${seed} x`, 0.2),
        lists,
        weights: gatherDy ? weights : null,
        dweight: accumulate ? values(E * N * K, `${seed} dweight`) : room(E * N * K),
        dbias: bias ? (accumulate ? values(E * N, `${seed} dbias`) : room(E * N)) : null,
      },
    });
  return found;
}

function permuteCases(route: string, spec: Routed, C: number): PassCase[] {
  const { lists, weights, sizes, choices: K } = routed(spec);
  const { T, R } = sizes;
  const params = { ...sizes, K, C };
  const x = values(R * C, `${route} rows`);
  const y = values(T * C, `${route} y`);
  const combine = (name: string, weighted: boolean, accumulate: number): PassCase => ({
    pass: permute.combine,
    name,
    params: { ...params, accumulate, hasWeights: weighted ? 1 : 0 },
    arrays: { x, weights: weighted ? weights : null, lists, y: accumulate ? y : room(T * C) },
  });
  return [
    { pass: permute.dispatch, name: route, params, arrays: { x: y, lists, y: room(R * C) } },
    combine(`${route}, weighted`, true, 0),
    combine(`${route}, adding`, false, 1),
    {
      pass: permute.backwardCombine,
      name: route,
      params,
      arrays: { dy: y, x, weights, lists, dx: room(R * C), dweights: room(R) },
    },
  ];
}

interface RoutingSpec {
  readonly T: number;
  readonly E: number;
  readonly K: number;
  readonly options?: Numbers;
  readonly bias?: true;
  readonly noise?: true;
  readonly used?: true;
  readonly faults?: true;
}
const ROUTINGS: Readonly<Record<string, RoutingSpec>> = {
  "softmax, top 2 of 4": { T: 200, E: 4, K: 2 },
  "softmax, normalised, scaled": { T: 70, E: 7, K: 3, options: { normalize: 1, epsilon: 1e-9, scale: 2.5 } },
  "softmax of the chosen": { T: 131, E: 33, K: 8, options: { score: 1 } },
  "sigmoid with a correction, limited to groups": {
    T: 90,
    E: 64,
    K: 6,
    bias: true,
    options: { score: 2, normalize: 1, epsilon: 1e-20, groups: 8, topGroups: 3, scale: 2.5 },
  },
  "one expert": { T: 65, E: 1, K: 1 },
  "every expert": { T: 5, E: 16, K: 16 },
  "many experts": { T: 66, E: 512, K: 16, options: { score: 2 } },
  "no token": { T: 0, E: 4, K: 2 },
  "capacity, by token": { T: 150, E: 4, K: 2, options: { capacity: 60, normalize: 1, epsilon: 1e-9 } },
  "capacity, first choices first, counted alone": {
    T: 150,
    E: 4,
    K: 2,
    used: true,
    options: { capacity: 60, priority: 1, countFirst: 1, normalize: 1, epsilon: 1e-9 },
  },
  "capacity, by lots given": { T: 150, E: 4, K: 1, noise: true, options: { capacity: 20, priority: 2 } },
  "capacity, by lots drawn": { T: 150, E: 4, K: 2, used: true, options: { capacity: 20, priority: 2 } },
  "Gumbel noise after the first": { T: 100, E: 5, K: 2, options: { noiseKind: 1, priority: 1, countFirst: 1 } },
  "Gumbel noise": { T: 100, E: 37, K: 1, options: { noiseKind: 2 } },
  "Gumbel noise given": { T: 100, E: 8, K: 2, noise: true, options: { noiseKind: 1 } },
  "a NaN, and an expert that gets nothing": { T: 80, E: 4, K: 2, faults: true },
};

function routingCases(name: string, spec: RoutingSpec): PassCase[] {
  const { T, E, K } = spec;
  const L = routing.listPlaces(E, T * K).length;
  const sizes = { T, E, K, L, Z: E + 2 };
  const choice = { score: 0, normalize: 0, epsilon: 0, scale: 1, countFirst: 0 };
  const kinds = { noiseKind: 0, priority: 0, capacity: T * K, groups: 1, topGroups: 1 };
  const flags = { hasBias: spec.bias ? 1 : 0, hasNoise: spec.noise ? 1 : 0, hasUsed: spec.used ? 1 : 0 };
  const params: Numbers = { ...sizes, ...choice, ...kinds, ...flags, sequence: 5, faultLabel: 3, ...spec.options };
  const logits = values(T * E, `${name} logits`, 1.5);
  if (spec.faults) {
    logits[7] = Number.NaN;
    for (let t = 0; t < T; t++) logits[t * E + 2] = Number.NEGATIVE_INFINITY;
  }
  const arrays = {
    logits,
    bias: spec.bias ? values(E, `${name} bias`, 0.1) : null,
    noise: spec.noise ? values(T * E, `${name} noise`) : null,
    used: spec.used ? Int32Array.from({ length: T }, (_, t) => (t % 5 === 3 ? 0 : 1)) : null,
    random: Uint32Array.of(11, 12, 13, 0),
    weights: room(T * K),
    lists: new Int32Array(L),
    sums: room(E + 2),
    faults: new Uint32Array(4),
  };
  const made = {
    ...arrays,
    weights: room(T * K),
    lists: new Int32Array(L),
    sums: room(E + 2),
    faults: new Uint32Array(4),
  };
  routingReference.forward(made, params as never);
  const backward = (what: string, dweights: Float32Array | null, dsums: Float32Array | null): PassCase => ({
    pass: routing.backward,
    name: `${name}, ${what}`,
    params: {
      ...sizes,
      ...Object.fromEntries(Object.keys(choice).map((key) => [key, params[key]])),
      hasDweights: dweights ? 1 : 0,
      hasDsums: dsums ? 1 : 0,
    },
    arrays: { logits, lists: made.lists, sums: made.sums, dweights, dsums, dlogits: room(T * E) },
  });
  const [dweights, dsums] = [values(T * K, `${name} dweights`), values(E + 2, `${name} dsums`)];
  return [
    { pass: routing.forward, name, params, arrays },
    backward("of weights", dweights, null),
    backward("of sums", null, dsums),
    backward("of both", dweights, dsums),
  ];
}

/**
 * Of the grouped products each route and width has every way to call a pass in one layout of the weights, in turns, so that every
 * way also has both: what a kernel does with a layout does not depend on the route.
 */
const LAYOUTS = [0, 1] as const;
const CASES: readonly PassCase[] = [
  ...Object.entries(ROUTES)
    .flatMap(([route, spec]) => spec.widths.map((widths) => ({ route, spec, widths })))
    .flatMap(({ route, spec, widths }, i) => {
      const [first, second] = LAYOUTS.map((transposed) => groupedCases(route, spec, widths, transposed));
      return first.map((inOne, j) => ((i + j) % 2 === 0 ? inOne : second[j]));
    }),
  ...Object.entries(ROUTES).flatMap(([route, spec], i) => {
    // Less than a vector of columns, and past a workgroup.
    const C = [5, 130][i % 2];
    return permuteCases(`${route}, ${C}`, spec, C);
  }),
  ...Object.entries(ROUTINGS).flatMap(([name, spec]) => routingCases(name, spec)),
];

/** Every case in f32; the half types, which differ in how values are read and written alone, take turns. */
const typesOf = (dtypes: readonly FloatDType[], i: number): readonly FloatDType[] =>
  dtypes.filter((dtype) => dtype === "f32" || dtype === (["bf16", "f16"] as const)[Math.floor(i / 2) % 2]);

/** Sums of some hundred products of size 1 / sqrt(their number); half types round what is stored. */
const TOLERANCE: Readonly<Record<FloatDType, number>> = { f32: 1e-5, bf16: 8e-3, f16: 1e-3 };

const cpu = await tryOpen("cpu", { debug: true, threads: 2 });
const webgpu = await tryOpen("webgpu", { debug: true });
const cuda = await tryOpen("cuda", { debug: true });
afterAll(() => {
  for (const { device } of [cpu, webgpu, cuda]) device?.close();
});

describe.each([
  ["cpu", cpu],
  ["webgpu", webgpu],
  ["cuda", cuda],
] as const)("a mixture of experts by its passes on %s", (name, { device, reason }) => {
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  const cases = CASES.filter(({ pass, arrays }) => pass[name] && !tooLarge(arrays));
  if (cases.length === 0) test.skip("has these passes", () => {});
  for (const [i, { pass, name: what, params, arrays }] of cases.entries())
    for (const dtype of typesOf(pass[name]?.dtypes ?? [], i))
      test(`${pass.label} ${dtype}: ${what}`, () =>
        checkPass(device.binding, pass, arrays, params, TOLERANCE[dtype], dtype));
});
