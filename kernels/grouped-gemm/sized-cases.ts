/** Cases by their sizes alone, for benchmarks: who routes fills in the lists. */
import type { InputSpec, OpCase } from "../case-table.js";
import type { MixtureLayer } from "../published-shapes.js";
import { listPlaces } from "../top-k-routing/lists.js";
import { EXPERT_ACTIVATIONS } from "./activation.js";
import { stack } from "./stack.js";

/** Lists of a length; where it says how many experts are busy, with their offsets, by which cost() counts. */
function listsFor(T: number, E: number, k: number, busy?: number): InputSpec {
  const R = T * k;
  const shape = [listPlaces(E, R).length];
  if (busy === undefined) return { shape, dtype: "i32", low: 0, high: 1 };
  return { shape, dtype: "i32", values: Array.from({ length: E + 1 }, (_, e) => (e < busy ? e : R)) };
}

/** A product over the rows of E experts, k a token: gathered from T tokens, or in groups already. */
export interface GroupedProduct {
  readonly T: number;
  /** Summed over. */
  readonly K: number;
  /** Columns. */
  readonly N: number;
  readonly E: number;
  readonly k: number;
  readonly grouped: boolean;
}

export const productCase = (name: string, { T, K, N, E, k, grouped }: GroupedProduct, busy?: number): OpCase => ({
  name,
  inputs: { x: [grouped ? T * k : T, K], weight: stack(E, N, K), lists: listsFor(T, E, k, busy) },
  options: { ...(!grouped && { gather: k }), transposed: true },
});

/** The experts of a mixture, without its router and the expert that is always on. */
export const expertsCase = (name: string, layer: MixtureLayer, busy?: number): OpCase => {
  const { T, d, n, E, k, activation, bias } = layer;
  const N = EXPERT_ACTIVATIONS[activation].gated ? 2 * n : n;
  const biases = bias && { upBias: [E, N], downBias: [E, d] };
  return {
    name,
    inputs: {
      ...{ x: [T, d], weights: { shape: [T, k], fill: "positive" }, lists: listsFor(T, E, k, busy) },
      ...{ up: stack(E, N, d), down: stack(E, d, n), ...biases },
    },
    options: { activation, transposed: true },
  };
};
