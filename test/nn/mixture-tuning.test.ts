import { describe, expect, test } from "vitest";
import { autocast, capture, nn, optim, scope, softmax, sum, topKRouting } from "../../engine/index.js";
import { setAdapter, withAdapterRows } from "../../models/peft/adapters.js";
import { applyLora } from "../../models/peft/lora.js";
import { expectClose } from "../support/compare.js";
import { HIDDEN, mixtureDevices, normal, WIDTH } from "../support/mixtures.js";

const { reference } = await mixtureDevices();

describe("a mixture in training and tuning", () => {
  const sizes = { width: WIDTH, hidden: HIDDEN, experts: 4 };
  const init = () => new nn.Initializer(reference, 5);

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
    expect(trained).toEqual(
      ["up", "down"].flatMap((n) => [`experts.lora_A.default.${n}`, `experts.lora_B.default.${n}`]).sort(),
    );

    for (const B of Object.values(adapted.lora_B.default)) B.write(await normal(reference, B.shape, "B").data());
    const branch = await output(layer);
    expect(branch).not.toEqual(await output(plain));
    adapted.merge();
    expectClose("merged", await output(layer), branch, 3e-6);
    adapted.unmerge();
    expect(await output(layer)).toEqual(branch);
    layer.experts = new nn.LoraExperts(init(), adapted.base_layer, { r: 2, alpha: 4, dropout: 0.5 });
    adapted.lora_A.default.up.dispose();
    expectClose("dropout of a branch that is zero", await output(layer), await output(plain), 1e-6);
  });

  test("several adapters of the experts: one at a time by name, and no mixing in a batch", async () => {
    using layer = new nn.MixtureOfExperts(init(), { ...sizes, topK: 2, activation: "swiglu" });
    using plain = new nn.MixtureOfExperts(init(), { ...sizes, topK: 2, activation: "swiglu" });
    using x = normal(reference, [11, WIDTH], "x");
    const output = async (mixture: nn.MixtureOfExperts) => {
      using y = scope(() => mixture.forward(x).y);
      return y.data();
    };
    for (const [name, r] of [
      ["chest", 2],
      ["head", 3],
    ] as const)
      expect(applyLora(layer, init(), ["experts"], { r, alpha: 4 }, name)).toEqual(["experts"]);
    const { lora_B } = layer.experts as nn.LoraExperts;
    for (const B of [lora_B.chest, lora_B.head].flatMap((b) => Object.values(b)))
      B.write(await normal(reference, B.shape, `B ${B.shape}`).data());
    const [head, base] = [await output(layer), await output(plain)];
    setAdapter(layer, "chest");
    const chest = await output(layer);
    expect(chest).not.toEqual(head);
    setAdapter(layer, null);
    expectClose("the base", await output(layer), base, 1e-6);
    setAdapter(layer, "head");
    expect(await output(layer)).toEqual(head);
    expect(() => withAdapterRows(layer, ["chest", ...Array(10).fill("head")], () => layer.forward(x))).toThrow(
      "the rows of a batch share one adapter",
    );
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
