import { describe, expect, test } from "vitest";
import {
  add,
  balanceLoss,
  combineTokens,
  type Device,
  dispatchTokens,
  expertMlp,
  FaultError,
  gradients,
  groupedGemm,
  nn,
  scope,
  sum,
  type Tensor,
  tensor,
  topKRouting,
  zLoss,
} from "../../engine/index.js";
import type { RoutingOptions } from "../../engine/ops/top-k-routing.js";
import { mixtureDevices, normal } from "../support/mixtures.js";

const devices = await mixtureDevices();
const { reference } = devices;

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

  test.for(Object.entries(devices))("NaN logits are reported by the next await on %s", async ([name, on], { skip }) => {
    if (!on) return skip(`${name} does not open here`);
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
