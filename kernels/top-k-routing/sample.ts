import type { InputSpec } from "../case-table.js";
import { listPlaces } from "./lists.js";

/** A routing for cases, made without routing: which expert each choice has. */
export interface Sample {
  readonly E: number;
  readonly T: number;
  readonly K: number;
  /** Expert of choice t K + k; those of a token differ. */
  expert(t: number, k: number): number;
  /** Choices that are dropped. Default: none. */
  dropped?(choice: number): boolean;
}

/** Tokens in turn, K experts in a row each. */
export const inTurn = (E: number, T: number, K: number): Sample => ({ E, T, K, expert: (t, k) => (t * K + k) % E });

/** As random as a hash: experts of unequal load. */
export function scattered(E: number, T: number, K: number): Sample {
  const hash = (n: number) => (Math.imul(n ^ (n >>> 15), 0x2c1b3c6d) >>> 8) % (E * E);
  // The square root bends the load: the last experts have most.
  return { E, T, K, expert: (t, k) => (Math.floor(Math.sqrt(hash(t * 2654435 + 97))) + k) % E };
}

/** Everybody's first choice is `first`, the others follow. */
export const allOn = (first: number, E: number, T: number, K: number): Sample => ({
  E,
  T,
  K,
  expert: (_, k) => (first + k) % E,
});

/** The lists of a routing, by the order of tokens. */
export function listsOf({ E, T, K, expert, dropped = () => false }: Sample): InputSpec {
  const R = T * K;
  const places = listPlaces(E, R);
  const lists = new Array<number>(places.length).fill(0);
  lists.fill(-1, places.order, places.experts);
  const queues: number[][] = Array.from({ length: E }, () => []);
  for (let choice = 0; choice < R; choice++) {
    const e = expert(Math.floor(choice / K), choice % K);
    lists[places.experts + choice] = e;
    lists[places.counts + e]++;
    if (!dropped(choice)) queues[e].push(choice);
  }
  let row = 0;
  queues.forEach((queue, e) => {
    for (const choice of queue) {
      lists[places.order + row] = choice;
      lists[places.position + choice] = row++;
    }
    lists[e + 1] = row;
  });
  return { shape: [places.length], dtype: "i32", values: lists };
}

/** The offsets alone. */
export function offsetsOf(sample: Sample): InputSpec {
  const { values } = listsOf(sample) as { values: readonly number[] };
  return { shape: [sample.E + 1], dtype: "i32", values: values.slice(0, sample.E + 1) };
}

/** f32 whatever the type of the case: weights of T K choices, zero where a choice is dropped, as routing gives them. */
export function weightsOf({ T, K, dropped = () => false }: Sample): InputSpec {
  const values = Array.from({ length: T * K }, (_, i) => (dropped(i) ? 0 : Math.fround(0.1 + ((i * 37) % 83) / 100)));
  return { shape: [T, K], dtype: "f32", values };
}
