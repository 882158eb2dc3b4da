import { afterAll, describe, expect, test } from "vitest";
import { walk } from "../../engine/autograd/tape.js";
import { Initializer, MixtureOfExperts, type MixtureOfExpertsOptions } from "../../engine/nn/index.js";
import { tensor } from "../../engine/tensor.js";
import { tryOpen } from "../support/devices.js";

const { device, reason } = await tryOpen("webgpu");
afterAll(() => device?.close());

const sizes = { width: 32, hidden: 48, experts: 4, topK: 2 };
const layers: Record<string, MixtureOfExpertsOptions> = {
  SwiGLU: { ...sizes, activation: "swiglu" },
  "GELU with biases, dropping": { ...sizes, activation: "gelu", bias: true, capacity: { factor: 1 } },
  "random token selection": {
    ...sizes,
    topK: 1,
    activation: "gelu",
    router: { priority: "random" },
    capacity: { factor: 1 },
  },
};

/** On a GPU a dispatch costs some microseconds however little it does, and a layer is run dozens of times a step. */
describe.skipIf(!device)(`dispatches of a mixture ${reason}`, () => {
  const webgpu = device as NonNullable<typeof device>;
  const count = async (work: () => void) => {
    await webgpu.finish();
    const before = webgpu.binding.counters.launches;
    work();
    await webgpu.finish();
    return webgpu.binding.counters.launches - before;
  };

  test.each(Object.entries(layers))(
    "%s: 6 forward, 8 backward with a frozen router, 9 with another",
    async (_, options) => {
      const layer = new MixtureOfExperts(new Initializer(webgpu, 1), options);
      const x = tensor(
        Float32Array.from({ length: 40 * 32 }, (_, i) => Math.sin(i)),
        { device: webgpu, shape: [40, 32] },
      );
      const dy = tensor(new Float32Array(40 * 32).fill(1), { device: webgpu, shape: [40, 32] });
      x.requiresGrad = true;
      const found: number[] = [];
      for (const trained of [false, true]) {
        layer.wg.requiresGrad(trained);
        let y = x;
        const forward = () => {
          y = layer.forward(x).y;
        };
        found.push(await count(forward));
        found.push(await count(() => walk([y], [dy], (_leaf, gradient) => gradient.dispose())));
      }
      expect(found).toEqual([6, 8, 6, 9]);
      layer.dispose();
    },
  );
});
