import * as routing from "../../../kernels/top-k-routing/kernels.js";
import * as routingReference from "../../../kernels/top-k-routing/reference.js";
import { type Numbers, type PassCase, room, values } from "./pass-case.js";

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

function casesOf(name: string, spec: RoutingSpec): PassCase[] {
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

export const routingCases: readonly PassCase[] = Object.entries(ROUTINGS).flatMap(([name, spec]) =>
  casesOf(name, spec),
);
