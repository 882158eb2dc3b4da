import { listPlaces } from "../../../engine/index.js";
import type { Comparison } from "../../golden/comparison.js";

/** What a gate chose, on the host. */
export interface Choices {
  /** [T, K]. */
  readonly weights: ArrayLike<number>;
  /** The routing record. */
  readonly lists: ArrayLike<number>;
  readonly T: number;
  readonly E: number;
  readonly K: number;
}

/** The k-th choice of each token: expert, place among that expert's rows (-1 where dropped), weight. */
export function choice({ weights, lists, T, E, K }: Choices, k: number) {
  const { position, experts } = listPlaces(E, T * K);
  const at = (t: number) => t * K + k;
  const expert = Array.from({ length: T }, (_, t) => lists[experts + at(t)]);
  const slot = expert.map((e, t) => {
    const row = lists[position + at(t)];
    return row < 0 ? -1 : row - lists[e];
  });
  return { expert, slot, weight: expert.map((_, t) => weights[at(t)]) };
}

/** Choices by the names of the golden files: expert1, slot1, weight1, ..., counts. */
export function compareChoices(c: Comparison, prefix: string, choices: Choices, tolerance: number): void {
  for (let k = 0; k < choices.K; k++) {
    const { expert, slot, weight } = choice(choices, k);
    c.ids(`${prefix}expert${k + 1}`, expert);
    c.ids(`${prefix}slot${k + 1}`, slot);
    c.forward(`${prefix}weight${k + 1}`, weight, tolerance);
  }
  const { counts } = listPlaces(choices.E, choices.T * choices.K);
  c.ids(
    `${prefix}counts`,
    Array.from({ length: choices.E }, (_, e) => choices.lists[counts + e]),
  );
}
