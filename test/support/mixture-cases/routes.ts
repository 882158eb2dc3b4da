import * as routing from "../../../kernels/top-k-routing/kernels.js";
import * as routingReference from "../../../kernels/top-k-routing/reference.js";
import { room, values } from "./pass-case.js";

export interface Routed {
  readonly T: number;
  readonly E: number;
  readonly K: number;
  /** Added to the logits of an expert: who is chosen often, or never. */
  readonly favour?: readonly number[];
  readonly capacity?: number;
}

/** Lists and weights of random logits, by the reference. */
export function routed({ T, E, K, favour = [], capacity = T * K }: Routed) {
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
export const ROUTES: Readonly<
  Record<string, Routed & { readonly widths: readonly (readonly [N: number, K: number])[] }>
> = {
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
