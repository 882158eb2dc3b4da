import { listPlaces } from "../../kernels/top-k-routing/lists.js";
import { generator } from "./random.js";

/** A routing of T tokens to K of E experts each. */
export interface Routing {
  readonly T: number;
  readonly E: number;
  readonly K: number;
  /** Rows that an expert keeps at most. */
  readonly capacity: number;
  /** Experts that are chosen at all: the first so many, at least K. */
  readonly chosen: number;
}

/** Lists of a random routing, those of a token all different, as kernels/top-k-routing/lists.ts says. */
export function routingOf({ T, E, K, capacity, chosen }: Routing, seed: string) {
  const { integer } = generator(`routing ${seed}`);
  const R = T * K;
  const places = listPlaces(E, R);
  const lists = new Int32Array(places.length);
  lists.fill(-1, places.order, places.experts);
  const queues: number[][] = Array.from({ length: E }, () => []);
  for (let t = 0; t < T; t++) {
    const open = Array.from({ length: chosen }, (_, e) => e);
    for (let k = 0; k < K; k++) {
      const [e] = open.splice(integer(0, open.length), 1);
      lists[places.experts + t * K + k] = e;
      queues[e].push(t * K + k);
    }
  }
  let row = 0;
  queues.forEach((queue, e) => {
    lists[places.offsets + e] = row;
    lists[places.counts + e] = queue.length;
    for (const choice of queue.slice(0, capacity)) {
      lists[places.order + row] = choice;
      lists[places.position + choice] = row++;
    }
  });
  lists[places.offsets + E] = row;
  return { lists, offsets: lists.subarray(0, E + 1) };
}
