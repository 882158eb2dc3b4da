import { afterAll, describe, expect, test } from "vitest";
import { nn, scope, square, sum, tensor } from "../../engine/index.js";
import { type MissConfig, presets } from "../../models/miss/config.js";
import { VisionTransformer } from "../../models/miss/vision.js";
import { tryOpen } from "../support/devices.js";
import { generator } from "../support/random.js";

const config: MissConfig = {
  ...presets.tiny,
  ...{ imageSize: 16, patch: 4, visionWidth: 16, visionDepth: 4, visionHeads: 2, visionMlp: 32, dropPath: 0.3 },
};

describe.each(["reference", "cpu", "cuda"] as const)("VisionTransformer.checkpointBlocks on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());

  /** All gradients, and what is held between forward and backward. */
  const run = async (blocks: number) => {
    using network = new VisionTransformer(new nn.Initializer(device, 2), config);
    network.checkpointBlocks = blocks;
    device.seed(9);
    const random = generator("image");
    const pixels = Float32Array.from({ length: 2 * 3 * 16 * 16 }, () => random.normal());
    using image = tensor(pixels, { device, shape: [2, 3, 16, 16] });
    const held = scope(() => {
      const before = device.memory().live;
      // The inner scope lets go of every result that no gradient needs.
      const loss = scope(() => sum(square(network.forward(image))));
      const bytes = device.memory().live - before;
      loss.backward();
      return bytes;
    });
    const gradients = await Promise.all([...network.parameters()].map((p) => p.grad?.data() ?? null));
    return { held, gradients };
  };

  test("the same bits in less memory", async () => {
    const [none, two, all] = [await run(0), await run(2), await run(4)];
    expect(none.gradients.every((g) => g?.some((v) => v !== 0))).toBe(true);
    expect(two.gradients).toEqual(none.gradients);
    expect(all.gradients).toEqual(none.gradients);
    expect(two.held).toBeLessThan(0.7 * none.held);
    expect(all.held).toBeLessThan(0.35 * none.held);
  });
});
