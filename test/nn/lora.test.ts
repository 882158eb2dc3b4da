import { describe, expect, test } from "vitest";
import { noGrad } from "../../engine/autograd/recording.js";
import { OptionError } from "../../engine/errors.js";
import { Initializer, Linear, LoraLinear, LoraPatchEmbed, PatchEmbed } from "../../engine/nn/index.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { expectClose } from "../support/compare.js";
import { tryOpen } from "../support/devices.js";
import { generator } from "../support/random.js";

const random = generator("adapters");
const normal = (n: number) => Float32Array.from({ length: n }, () => random.normal());

describe.each(["reference", "cpu", "webgpu", "cuda"] as const)("an adapter on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});

  /** Sizes with tails after whole vectors and tiles. */
  const layers = () => {
    const init = new Initializer(device, 3);
    const linear = new LoraLinear(init, new Linear(init, 67, 101), { r: 5, alpha: 10 });
    const patches = new LoraPatchEmbed(init, new PatchEmbed(init, 3, 37, 4), { r: 5, alpha: 10 });
    for (const { lora_B } of [linear, patches]) lora_B.default.weight.write(normal(lora_B.default.weight.size));
    return [
      [linear, tensor(normal(9 * 67), { device, shape: [9, 67] })],
      [patches, tensor(normal(2 * 3 * 64), { device, shape: [2, 3, 8, 8] })],
    ] as const;
  };

  test.each([0, -1, 1.5, Number.NaN])("rank %d is refused before it takes memory", (r) => {
    const init = new Initializer(device, 3);
    using linear = new Linear(init, 4, 3);
    using patches = new PatchEmbed(init, 3, 5, 2);
    const { allocations } = device.memory();
    const error = new OptionError(`LoRA: rank r is ${r}; a whole number above 0 is needed.`);
    expect(() => new LoraLinear(init, linear, { r, alpha: 1 })).toThrow(error);
    expect(() => new LoraPatchEmbed(init, patches, { r, alpha: 1 })).toThrow(error);
    expect(device.memory().allocations).toBe(allocations);
    expect(linear.weight.requiresGrad).toBe(true);
  });

  test("merged gives the same output from one weight; unmerged the old weight bit for bit", async () => {
    for (const [layer, x] of layers()) {
      const forward = async () => {
        using y = noGrad(() => (layer.forward as (x: Tensor) => Tensor)(x));
        return (await y.data()) as Float32Array;
      };
      const { weight } = layer.base_layer;
      const [before, expected] = [await weight.data(), await forward()];
      layer.merge();
      layer.merge();
      expect(layer.merged).toBe(true);
      expect(await weight.data()).not.toEqual(before);
      // Sums of 67 or 48 products in another order.
      expectClose("merged", await forward(), expected, 2e-6);
      layer.unmerge();
      layer.unmerge();
      expect(await weight.data()).toEqual(before);
      expect(await forward()).toEqual(expected);
      x.dispose();
      layer.dispose();
    }
  });
});
