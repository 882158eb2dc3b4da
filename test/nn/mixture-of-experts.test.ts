import { describe, expect, test } from "vitest";
import {
  add,
  balanceLoss,
  gradients,
  mul,
  nn,
  scale,
  scope,
  sum,
  type Tensor,
  tensor,
  zLoss,
} from "../../engine/index.js";
import { capacityOf } from "../../engine/nn/mixture-of-experts.js";
import { HIDDEN, mixtureDevices, normal, WIDTH } from "../support/mixtures.js";

const { reference } = await mixtureDevices();

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
});
