import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { openDevice } from "../../engine/device/open-device.js";
import {
  add,
  autocast,
  balanceLoss,
  capture,
  combineTokens,
  type Device,
  dispatchTokens,
  expertMlp,
  FaultError,
  gradients,
  groupedGemm,
  indexSelect,
  linear,
  mul,
  nn,
  optim,
  scale,
  scope,
  silu,
  slice,
  softmax,
  sum,
  type Tensor,
  tensor,
  topKRouting,
  zLoss,
} from "../../engine/index.js";
import { capacityOf } from "../../engine/nn/mixture-of-experts.js";
import type { RoutingOptions } from "../../engine/ops/top-k-routing.js";
import { listPlaces } from "../../kernels/top-k-routing/lists.js";
import { expectClose } from "../support/compare.js";
import { tryOpen } from "../support/devices.js";
import { generator } from "../support/random.js";

const devices = {
  reference: await openDevice("reference"),
  cpu: (await tryOpen("cpu", { threads: 2 })).device,
  webgpu: (await tryOpen("webgpu")).device,
};
afterAll(() => {
  for (const device of Object.values(devices)) device?.close();
});
const { reference } = devices;

const WIDTH = 6;
const HIDDEN = 5;

const normal = (device: Device, shape: readonly number[], seed: string, factor = 1): Tensor => {
  const random = generator(seed);
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => factor * random.normal());
  return tensor(values, { device, shape });
};

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

describe("a mixture", () => {
  const sizes = { width: WIDTH, hidden: HIDDEN, experts: 4 };
  const init = () => new nn.Initializer(reference, 5);

  test("presets of the published layers route as they say", () => {
    const presets = nn.moePresets;
    const router = ({ router, topK, capacity }: nn.MixtureOfExpertsOptions) => ({ router, topK, capacity });
    expect(router(presets.medMoe(sizes))).toEqual({
      router: { bias: true, countFirst: true },
      topK: 1,
      capacity: null,
    });
    expect(router(presets.medMoe({ ...sizes, experts: 64, topK: 2 }))).toEqual({
      router: { bias: true, countFirst: true, normalize: true, noise: "gumbelAfterFirst", priority: "choice" },
      topK: 2,
      capacity: null,
    });
    expect(router(presets.mixtral(sizes))).toEqual({ router: { score: "topKSoftmax" }, topK: 2 });
    expect(presets.qwen3Moe(sizes).router?.normalize).toBe(true);
    expect(presets.olmoe(sizes).router).toBeUndefined();
    expect(presets.deepSpeedTop1(sizes).router?.priority).toBe("random");
    expect(presets.deepSpeedTop2(sizes).router?.noise).toBe("gumbelAfterFirst");
    using layer = new nn.MixtureOfExperts(init(), presets.deepSeekV3({ ...sizes, experts: 16 }));
    expect(layer.correction?.requiresGrad).toBe(false);
    class Parent extends nn.Module {
      readonly layer = layer;
    }
    new Parent().requiresGrad(true);
    expect([layer.correction?.requiresGrad, layer.wg.weight.requiresGrad]).toEqual([false, true]);
  });

  test("capacity is the product of two f32 numbers, rounded up", () => {
    expect(capacityOf({ factor: 1.5 }, true, 17, 4, 1)).toBe(7);
    expect(capacityOf({ factor: 0.5, minimum: 4 }, true, 8, 4, 1)).toBe(4);
    expect(capacityOf({ factor: 1, evalFactor: 2 }, false, 16, 4, 2)).toBe(16);
    // 0.1 · 30 is 3 in f32 and above it in f64.
    expect(capacityOf({ factor: 0.1 }, true, 120, 4, 1)).toBe(3);
  });

  test("a frozen router gets no gradient, and lets it through to the tokens", async () => {
    using layer = new nn.MixtureOfExperts(init(), nn.moePresets.medMoe(sizes));
    const gradientOfX = () =>
      scope(() => {
        const x = normal(reference, [7, WIDTH], "x");
        x.requiresGrad = true;
        const loss = sum(mul(layer.forward(x).y, normal(reference, [7, WIDTH], "dy")));
        return gradients(loss, [x, layer.wg.weight]);
      });
    const [open, ofRouter] = gradientOfX();
    expect(ofRouter).not.toBeNull();
    layer.wg.requiresGrad(false);
    const [frozen, none] = gradientOfX();
    expect(none).toBeNull();
    expect(await (frozen as Tensor).data()).toEqual(await (open as Tensor).data());
  });

  test("an expert without tokens gets gradients of zeros", async () => {
    using layer = new nn.MixtureOfExperts(init(), {
      ...sizes,
      topK: 1,
      activation: "gelu",
      bias: true,
      router: { bias: true },
    });
    layer.wg.bias?.write([0, -1000, 0, 0]);
    scope(() => sum(layer.forward(normal(reference, [30, WIDTH], "x")).y).backward());
    for (const [name, p] of layer.experts.namedParameters()) {
      const each = p.size / 4;
      const gradient = (await p.grad?.data()) as Float32Array;
      expect(
        gradient.subarray(each, 2 * each).every((v) => v === 0),
        name,
      ).toBe(true);
      expect(
        gradient.some((v) => v !== 0),
        name,
      ).toBe(true);
    }
  });

  test("jitter moves the choice in training only", async () => {
    using layer = new nn.MixtureOfExperts(init(), { ...sizes, topK: 2, activation: "swiglu", router: { jitter: 0.5 } });
    using x = normal(reference, [9, WIDTH], "x");
    const weights = async () => {
      using found = scope(() => layer.forward(x).routed.weights);
      return found.data();
    };
    expect(await weights()).not.toEqual(await weights());
    layer.eval();
    expect(await weights()).toEqual(await weights());
  });

  test("statistics of the newest forward, losses that train", async () => {
    using layer = new nn.MixtureOfExperts(init(), {
      ...sizes,
      topK: 2,
      activation: "swiglu",
      capacity: { factor: 0.5 },
    });
    expect(await layer.statistics()).toBeNull();
    const { balance, z } = scope(() => {
      const { routed } = layer.forward(normal(reference, [3, 8, WIDTH], "x"));
      const losses = { balance: balanceLoss(routed), z: zLoss(routed) };
      add(scale(losses.balance, 0.01), scale(losses.z, 0.001)).backward();
      return losses;
    });
    const found = (await layer.statistics()) as nn.MoeStatistics;
    expect(found.tokens).toBe(24);
    expect(found.counts.reduce((a, b) => a + b)).toBe(48);
    expect(Math.max(...found.kept)).toBeLessThanOrEqual(6);
    expect(found.dropped).toBe(48 - found.kept.reduce((a, b) => a + b));
    expect(found.probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    expect(await balance.item()).toBe(found.balanceLoss);
    expect(await z.item()).toBe(found.zLoss);
    expect((await layer.wg.weight.grad?.data())?.some((v) => v !== 0)).toBe(true);
    expect(layer.experts.parameters().next().value?.grad).toBeNull();
  });

  test.each([false, true])(
    "statistics: tokens that choose nobody drop nothing; counting first ones %s",
    async (countFirst) => {
      using layer = new nn.MixtureOfExperts(init(), {
        ...sizes,
        topK: 2,
        activation: "swiglu",
        router: { countFirst },
        capacity: { factor: 4 },
      });
      using x = normal(reference, [9, WIDTH], "x");
      using used = tensor(Int32Array.from([1, 0, 1, 1, 0, 0, 1, 1, 1]), { device: reference });
      scope(() => void layer.forward(x, { used }));
      const all = (await layer.statistics()) as nn.MoeStatistics;
      expect(all.kept.reduce((a, b) => a + b)).toBe(12);
      expect(all.dropped).toBe(0);
      using tight = new nn.MixtureOfExperts(init(), { ...layer.options, capacity: { factor: 0, minimum: 1 } });
      scope(() => void tight.forward(x, { used }));
      const some = (await tight.statistics()) as nn.MoeStatistics;
      expect(some.dropped).toBe(12 - some.kept.reduce((a, b) => a + b));
      expect(some.dropped).toBeGreaterThan(0);
    },
  );

  test("a correction brings the load of the experts together", async () => {
    using layer = new nn.MixtureOfExperts(init(), {
      ...sizes,
      topK: 1,
      activation: "swiglu",
      router: { score: "sigmoid", correction: true, bias: true },
    });
    layer.wg.bias?.write([1, 0, 0, 0]);
    using x = normal(reference, [200, WIDTH], "x", 2);
    const spread = async () => {
      scope(() => void layer.forward(x));
      const { counts } = (await layer.statistics()) as nn.MoeStatistics;
      return Math.max(...counts) - Math.min(...counts);
    };
    const before = await spread();
    for (let i = 0; i < 30; i++) {
      await layer.balance(0.01);
      scope(() => void layer.forward(x));
    }
    expect(await spread()).toBeLessThan(before / 2);
  });

  test("adapters for each expert: nothing at first, trained alone, merged and back", async () => {
    const make = () =>
      new nn.MixtureOfExperts(init(), {
        ...sizes,
        topK: 2,
        activation: "swiglu",
        bias: true,
        router: { normalize: true },
      });
    using layer = make();
    using plain = make();
    layer.requiresGrad(false);
    const adapted = new nn.LoraExperts(init(), layer.experts as nn.Experts, { r: 2, alpha: 4 });
    layer.experts = adapted;
    using x = normal(reference, [11, WIDTH], "x");
    const output = async (mixture: nn.MixtureOfExperts) => {
      using y = scope(() => mixture.forward(x).y);
      return y.data();
    };
    expectClose("at first", await output(layer), await output(plain), 1e-6);

    scope(() => sum(layer.forward(x).y).backward());
    const trained = [...layer.namedParameters()]
      .filter(([, p]) => p.grad)
      .map(([name]) => name)
      .sort();
    expect(trained).toEqual(["up", "down"].flatMap((n) => [`experts.lora_A.${n}`, `experts.lora_B.${n}`]).sort());

    for (const B of [adapted.lora_B.up, adapted.lora_B.down]) B.write(await normal(reference, B.shape, "B").data());
    const branch = await output(layer);
    expect(branch).not.toEqual(await output(plain));
    adapted.merge();
    expectClose("merged", await output(layer), branch, 3e-6);
    adapted.unmerge();
    expectClose("back", await output(layer), branch, 3e-6);
    layer.experts = new nn.LoraExperts(init(), adapted.base_layer, { r: 2, alpha: 4, dropout: 0.5 });
    adapted.lora_A.up.dispose();
    expectClose("dropout of a branch that is zero", await output(layer), await output(plain), 1e-6);
  });

  test("a captured step: what is read after a replay is of that replay", async () => {
    using layer = new nn.MixtureOfExperts(init(), nn.moePresets.mixtral(sizes));
    using x = normal(reference, [20, WIDTH], "x");
    const adam = new optim.AdamW(layer.parameters(), { lr: 0.1 });
    const step = () => {
      sum(layer.forward(x).y).backward();
      adam.step();
      adam.zeroGrad();
    };
    await layer.warmUp(() => scope(step));
    expect(await layer.statistics()).toBeNull();
    const captured = capture(reference, step);
    const first = await layer.statistics();
    captured.replay();
    const second = (await layer.statistics()) as nn.MoeStatistics;
    expect(second.counts.reduce((a, b) => a + b)).toBe(40);
    expect(second.probabilities).not.toEqual(first?.probabilities);
    captured.dispose();
  });

  test("mixed precision: routing in f32, experts in the region's type", async () => {
    using layer = new nn.MixtureOfExperts(init(), { ...sizes, topK: 2, activation: "swiglu" });
    using x = normal(reference, [9, WIDTH], "x");
    const out = scope(() => {
      const { y, routed } = autocast("bf16", () => layer.forward(x));
      return { y, weights: routed.weights, exact: layer.forward(x) };
    });
    expect(out.weights.dtype).toBe("f32");
    expect(out.y.dtype).toBe("bf16");
    expect(await out.weights.data()).toEqual(await out.exact.routed.weights.data());
    expectClose("y", await out.y.data(), await out.exact.y.data(), 2e-2);
  });

  test("one router's weights are those of a softmax of its logits", async () => {
    using logits = normal(reference, [5, 3], "logits");
    const { weights, p } = scope(() => ({ weights: topKRouting(logits, { topK: 1 }).weights, p: softmax(logits) }));
    const rows = await p.data();
    const best = Array.from({ length: 5 }, (_, t) => Math.max(...rows.subarray(3 * t, 3 * t + 3)));
    expect(Array.from(await weights.data())).toEqual(best);
  });

  test("what the tape holds: tokens, the value before the activation, lists and weights", () => {
    const [T, C, n, E, K] = [256, 128, 96, 4, 2];
    using layer = new nn.MixtureOfExperts(init(), {
      width: C,
      hidden: n,
      experts: E,
      topK: K,
      activation: "swiglu",
    });
    using x = normal(reference, [T, C], "x");
    const live = () => reference.memory().live;
    const before = live();
    using y = scope(() => {
      const { experts } = layer.forward(x);
      return experts;
    });
    // x is there already, and y is the caller's; E logits and some numbers of routing for each token are no multiple of C or n.
    const saved = (live() - before) / 4 - y.size + x.size;
    expect(saved).toBeLessThanOrEqual(1.05 * (T * C + 2 * T * K * n));
  });
});

describe("bad input", () => {
  const device = reference;
  const logits = () => normal(device, [6, 4], "logits");
  const routed = (topK: number) => topKRouting(logits(), { topK });
  const messages: readonly (readonly [string, () => unknown, RegExp])[] = [
    [
      "more choices than experts",
      () => topKRouting(logits(), { topK: 5 }),
      /^topKRouting: topK 5 must be from 1 to the 4 experts/,
    ],
    [
      "an unknown score",
      () => topKRouting(logits(), { topK: 1, score: "max" as never }),
      /unknown score "max"\. Known: softmax, topKSoftmax, sigmoid\./,
    ],
    [
      "groups that do not divide",
      () => topKRouting(logits(), { topK: 1, groups: 3 }),
      /4 experts do not form 3 groups/,
    ],
    [
      "too few open groups",
      () => topKRouting(logits(), { topK: 3, groups: 4, topGroups: 2 }),
      /must hold the 3 that a token chooses/,
    ],
    [
      "a negative capacity",
      () => topKRouting(logits(), { topK: 1, capacity: -1 }),
      /capacity -1 must be a whole number/,
    ],
    [
      "noise for nothing",
      () => topKRouting(logits(), { topK: 1, noiseValues: logits() }),
      /neither noise nor priority "random"/,
    ],
    [
      "noise of two kinds",
      () => topKRouting(logits(), { topK: 1, noise: "gumbel", priority: "random", noiseValues: logits() }),
      /are two\. Leave one out/,
    ],
    [
      "logits in bf16",
      () => topKRouting(tensor([[1, 2]], { device, dtype: "bf16" }), { topK: 1 }),
      /is bf16; f32 is needed\. Use cast\(\)/,
    ],
    [
      "tokens of another count",
      () => dispatchTokens(normal(device, [5, 3], "x"), routed(2)),
      /is no routing of 5 tokens to 2 of 4 experts each: that has 39/,
    ],
    [
      "rows of another count",
      () => combineTokens(normal(device, [5, 3], "x"), routed(2)),
      /must have the 12 grouped rows/,
    ],
    [
      "an inner size that differs",
      () => groupedGemm(normal(device, [6, 3], "x"), normal(device, [4, 5, 2], "w"), routed(1).lists, { gather: 1 }),
      /K=3 and 2 must be equal; weight is \[E, N, K\]/,
    ],
    [
      "lists of other experts",
      () => groupedGemm(normal(device, [6, 3], "x"), normal(device, [3, 5, 3], "w"), routed(1).lists, { gather: 1 }),
      /is no routing of 6 choices to the 3 experts/,
    ],
    [
      "a down that does not fit",
      () =>
        expertMlp(
          normal(device, [6, 3], "x"),
          topKRouting(logits(), { topK: 1 }),
          { up: normal(device, [4, 8, 3], "u"), down: normal(device, [4, 3, 8], "d") },
          { activation: "swiglu" },
        ),
      /down \[4, 3, 8\] does not fit up \[4, 8, 3\]: \[4, 3, 4\] is needed/,
    ],
    [
      "a gate without its half",
      () =>
        expertMlp(
          normal(device, [6, 3], "x"),
          topKRouting(logits(), { topK: 1 }),
          { up: normal(device, [4, 7, 3], "u"), down: normal(device, [4, 3, 3], "d") },
          { activation: "swiglu" },
        ),
      /^expertMlp: up \[4, 7, 3\] has 7 outputs; N must be even for swiglu: half gate, half up\./,
    ],
    [
      "an activation nobody knows",
      () =>
        new nn.Experts(new nn.Initializer(device), { width: 2, hidden: 2, experts: 2, activation: "swish" as never }),
      /unknown activation "swish"\. Known: none, gelu,/,
    ],
    [
      "no hidden size",
      () => new nn.Experts(new nn.Initializer(device), { width: 2, hidden: 0, experts: 2, activation: "relu" }),
      /hidden is 0/,
    ],
    [
      "x of another width",
      () =>
        new nn.MixtureOfExperts(new nn.Initializer(device), {
          ...nn.moePresets.olmoe({ width: 4, hidden: 2, experts: 8 }),
        }).forward(normal(device, [2, 5], "x")),
      /x \[2, 5\] must have 4 columns/,
    ],
    [
      "a jitter of one",
      () =>
        new nn.MixtureOfExperts(new nn.Initializer(device), {
          width: 4,
          hidden: 2,
          experts: 8,
          topK: 1,
          activation: "relu",
          router: { jitter: 1 },
        }),
      /router\.jitter 1 is not in \[0, 1\)/,
    ],
    [
      "a capacity below zero",
      () =>
        new nn.MixtureOfExperts(new nn.Initializer(device), {
          width: 4,
          hidden: 2,
          experts: 8,
          topK: 1,
          activation: "relu",
          capacity: { factor: -1 },
        }),
      /capacity factors -1 and -1/,
    ],
    ...(
      [
        [{ experts: 600 }, /^MixtureOfExperts: 600 experts; 1 to 512 can be routed to\./],
        [{ experts: 32, topK: 20 }, /^MixtureOfExperts: topK 20 must be from 1 to the 32 experts, and at most 16\./],
        [{ topK: 5 }, /^MixtureOfExperts: topK 5 must be from 1 to the 4 experts/],
        [{ router: { groups: 3 } }, /^MixtureOfExperts: 4 experts do not form 3 groups/],
        [{ router: { score: "max" as never } }, /^MixtureOfExperts: unknown score "max"/],
        [{ router: { epsilon: 1e-50 } }, /^MixtureOfExperts: epsilon 1e-50 must be above 0, also as an f32\./],
        [
          { capacity: { factor: Number.POSITIVE_INFINITY } },
          /factors Infinity and Infinity must be finite numbers from 0 on/,
        ],
      ] as const
    ).map(
      ([options, text]) =>
        [
          `a mixture of ${JSON.stringify(options)}`,
          () =>
            new nn.MixtureOfExperts(new nn.Initializer(device), {
              width: 4,
              hidden: 2,
              experts: 4,
              topK: 1,
              activation: "relu",
              ...options,
            }),
          text,
        ] as const,
    ),
  ];
  test.each(messages)("%s", (_, f, text) => {
    expect(() => scope(() => void f())).toThrow(text);
  });

  test.each(Object.entries(devices))("NaN logits are reported by the next await on %s", async (_, on) => {
    if (!on) return;
    using bad = tensor(
      [
        [0, 1],
        [Number.NaN, 2],
      ],
      { device: on },
    );
    using weights = scope(() => topKRouting(bad, { topK: 1 }).weights);
    const waiting = weights.data();
    await expect(waiting).rejects.toThrow(FaultError);
    await expect(waiting).rejects.toThrow(/^top-k-routing\/forward: value at position 2 is not finite/);
    expect(Array.from(await weights.data())[1]).toBeCloseTo(Math.exp(2) / (1 + Math.exp(2)), 6);
  });

  /** Of two tokens by two experts; `at`: the position that is told. */
  interface Fault {
    readonly name: string;
    readonly at: number;
    readonly options: RoutingOptions;
    readonly logits?: readonly number[];
    readonly bias?: readonly number[];
    readonly noise?: readonly number[];
  }
  const hidden = [0, 1, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const faults: readonly Fault[] = [
    { name: "a token whose experts are all hidden", at: 2, logits: hidden, options: { topK: 1 } },
    { name: "the same, by sigmoid", at: 2, logits: hidden, options: { topK: 2, score: "sigmoid", normalize: true } },
    { name: "the same, by those chosen", at: 2, logits: hidden, options: { topK: 2, score: "topKSoftmax" } },
    { name: "NaN in the bias", at: 1, bias: [0, Number.NaN], options: { topK: 1 } },
    {
      name: "+∞ in the noise",
      at: 2,
      noise: [0, 0, Number.POSITIVE_INFINITY, 0],
      options: { topK: 2, noise: "gumbel" },
    },
    {
      name: "NaN among the lots",
      at: 3,
      noise: [0, 0, 0, Number.NaN],
      options: { topK: 1, priority: "random", capacity: 1 },
    },
  ];
  describe.each(Object.entries(devices))("faults on %s", (_, on) => {
    test.skipIf(!on).each(faults)("$name", async ({ at, options, logits = [0, 1, 2, 3], bias, noise }) => {
      const device = on as Device;
      const given = (values: readonly number[], shape: number[]) =>
        tensor(Float32Array.from(values), { device, shape });
      const routed = scope(() => {
        const x = given(logits, [2, 2]);
        x.requiresGrad = true;
        const found = topKRouting(x, {
          ...options,
          bias: bias && given(bias, [2]),
          noiseValues: noise && given(noise, [2, 2]),
        });
        const [dx] = gradients(add(balanceLoss(found), add(zLoss(found), sum(found.weights))), [x]);
        return { ...found, dx: dx as Tensor };
      });
      await expect(routed.weights.data()).rejects.toThrow(
        `top-k-routing/forward: value at position ${at} is not finite. It counts as zero.`,
      );
      for (const t of [routed.weights, routed.sums, routed.dx])
        expect([...(await t.data())].every(Number.isFinite)).toBe(true);
      const lists = await routed.lists.data();
      expect([...lists].every((v) => v >= -1 && v <= 4)).toBe(true);
      for (const t of Object.values(routed)) t.dispose();
    });
  });
});
