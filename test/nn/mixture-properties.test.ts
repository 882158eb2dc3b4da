/** What holds of any routing of any tokens. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  add,
  type Device,
  indexSelect,
  linear,
  mul,
  nn,
  scope,
  silu,
  slice,
  sum,
  type Tensor,
  tensor,
  topKRouting,
} from "../../engine/index.js";
import { listPlaces } from "../../kernels/top-k-routing/lists.js";
import { expectClose } from "../support/compare.js";
import { HIDDEN, mixtureDevices, normal, WIDTH } from "../support/mixtures.js";
import { generator } from "../support/random.js";

const devices = await mixtureDevices();
const { reference } = devices;

/** A routing of any tokens by any experts. */
const routing = fc
  .record({
    T: fc.integer({ min: 1, max: 24 }),
    E: fc.integer({ min: 1, max: 9 }),
    k: fc.integer({ min: 1, max: 9 }),
    skew: fc.constantFrom(0, 1, 30),
    normalize: fc.boolean(),
    score: fc.constantFrom("softmax", "topKSoftmax", "sigmoid" as const),
    seed: fc.integer(),
  })
  .map((r) => ({ ...r, K: Math.min(r.k, r.E) }));
type Case = typeof routing extends fc.Arbitrary<infer R> ? R : never;

/** Routings at the edges, which every property is asked about: the last one has all tokens on one expert. */
const plain = { T: 7, E: 4, K: 2, k: 2, skew: 0, normalize: false, score: "softmax", seed: 1 } as const;
const EDGES: readonly Case[] = [
  { ...plain, T: 1 },
  { ...plain, E: 1, K: 1, k: 1 },
  { ...plain, K: 4, k: 4 },
  { ...plain, T: 24, K: 1, k: 1, skew: 30 },
];

function mixture(device: Device, { E, K, normalize, score }: Case): nn.MixtureOfExperts {
  return new nn.MixtureOfExperts(new nn.Initializer(device, 3), {
    width: WIDTH,
    hidden: HIDDEN,
    experts: E,
    topK: K,
    activation: "swiglu",
    router: { normalize, score, bias: true },
  });
}

/** Skewed: most tokens go where the bias of the router is largest. */
function skew(layer: nn.MixtureOfExperts, { E, skew: by, seed }: Case): void {
  const bias = layer.wg.bias as Tensor;
  bias.write(Float32Array.from({ length: E }, (_, e) => (e === Math.abs(seed) % E ? by : 0)));
}

/** Every expert for every token, weighed by a matrix that is zero where nobody chose. */
async function dense(layer: nn.MixtureOfExperts, x: Tensor, { E, K, T }: Case): Promise<Float32Array> {
  const routed = scope(() => layer.route(x));
  const [lists, weights] = await Promise.all([routed.lists.data(), routed.weights.data()]);
  const { experts } = listPlaces(E, T * K);
  const stack = layer.experts as nn.Experts;
  const y = scope(() => {
    let total: Tensor | null = null;
    for (let e = 0; e < E; e++) {
      const pre = linear(x, matrixOf(stack.up, e));
      const [gate, up] = [0, 1].map((i) => slice(pre, { dim: 1, start: i * HIDDEN, length: HIDDEN }));
      const all = linear(mul(silu(gate), up), matrixOf(stack.down, e));
      const share = Float32Array.from({ length: T }, (_, t) => {
        let w = 0;
        for (let k = 0; k < K; k++) if (lists[experts + t * K + k] === e) w += weights[t * K + k];
        return w;
      });
      const part = mul(all, tensor(share, { device: x.device, shape: [T, 1] }));
      total = total ? add(total, part) : part;
    }
    return total as Tensor;
  });
  return (await y.data()) as Float32Array;
}

const matrixOf = (stack: Tensor, e: number) => sum(slice(stack, { dim: 0, start: e, length: 1 }), { dim: 0 });

describe.each(Object.entries(devices))("any routing on %s", (_, device) => {
  const on = device as Device;
  const runs = on === reference ? 60 : 25;

  test.skipIf(!device)("equals the dense mixture", async () => {
    await fc.assert(
      fc.asyncProperty(routing, async (c) => {
        using layer = mixture(on, c);
        skew(layer, c);
        using x = normal(on, [c.T, WIDTH], `x${c.seed}`);
        using y = scope(() => layer.forward(x).y);
        expectClose("y", await y.data(), await dense(layer, x, c), 3e-6);
      }),
      { numRuns: runs, examples: EDGES.map((c) => [c]) },
    );
  });

  test.skipIf(!device)("permuted tokens give permuted outputs", async () => {
    await fc.assert(
      fc.asyncProperty(routing, async (c) => {
        using layer = mixture(on, c);
        skew(layer, c);
        using x = normal(on, [c.T, WIDTH], `x${c.seed}`);
        const random = generator(`order${c.seed}`);
        const keys = Array.from({ length: c.T }, () => random.uniform());
        const order = Int32Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b]);
        const { moved, later } = scope(() => {
          const index = tensor(order, { device: on });
          const first = indexSelect(x, 0, index);
          return { moved: layer.forward(first).y, later: indexSelect(layer.forward(x).y, 0, index) };
        });
        expectClose("y", await moved.data(), await later.data(), 3e-6);
        moved.dispose();
        later.dispose();
      }),
      { numRuns: runs, examples: EDGES.map((c) => [c]) },
    );
  });

  test.skipIf(!device)("lists are a permutation, in groups, by token", async () => {
    await fc.assert(
      fc.asyncProperty(routing, fc.option(fc.integer({ min: 0, max: 12 })), async (c, capacity) => {
        const { T, E, K } = c;
        const { lists: made } = scope(() =>
          topKRouting(normal(on, [T, E], `logits${c.seed}`), { topK: K, score: c.score, capacity }),
        );
        const lists = await made.data();
        made.dispose();
        const { counts, order, position, experts } = listPlaces(E, T * K);
        const kept = lists[E];
        const seen = new Set<number>();
        for (let e = 0; e < E; e++) {
          const rows = Array.from(lists.subarray(order + lists[e], order + lists[e + 1]));
          expect(rows.length).toBe(Math.min(lists[counts + e], capacity ?? T));
          expect(rows).toEqual([...rows].sort((a, b) => a - b));
          for (const [i, choice] of rows.entries()) {
            seen.add(choice);
            expect(lists[experts + choice]).toBe(e);
            expect(lists[position + choice]).toBe(lists[e] + i);
          }
        }
        expect(seen.size).toBe(kept);
        expect(Array.from(lists.subarray(order + kept, order + T * K)).every((choice) => choice === -1)).toBe(true);
        for (let choice = 0; choice < T * K; choice++) expect(lists[position + choice] >= 0).toBe(seen.has(choice));
      }),
      {
        numRuns: runs,
        examples: EDGES.flatMap((c): [Case, number | null][] => [
          [c, null],
          [c, 3],
        ]),
      },
    );
  });
});
