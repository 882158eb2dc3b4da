import { afterAll, describe, expect, test } from "vitest";
import type { Device } from "../../engine/device/device.js";
import { openDevice } from "../../engine/device/open-device.js";
import { sum } from "../../engine/ops/reduce.js";
import { square } from "../../engine/ops/unary.js";
import { clipGradNorm } from "../../engine/optim/clip-grad-norm.js";
import { scope } from "../../engine/scope.js";
import { fromHost, setRequiresGrad } from "../../engine/tensor.js";
import { tryOpen } from "../support/devices.js";

/** The factor of PyTorch's clip_grad_norm_: min(1, maxNorm / (norm + 1e-6)), NaN where the norm is. */
const reference = await openDevice("reference");
const opened = [await tryOpen("cpu"), await tryOpen("cuda")].flatMap(({ device }) => device ?? []);
const devices = [reference, ...opened].map((device): [string, Device] => [device.name, device]);
afterAll(() => {
  for (const [, device] of devices) device.close();
});

describe.each(devices)("%s", (_name, device) => {
  test.each([
    ["a norm above it", [6, 8], 5, [10, 5 / (10 + 1e-6)]],
    ["a norm below it", [0.6, 0.8], 5, [1, 1]],
    // As f32 5e-4 / (5e-4 + 1e-6) is well below 1.
    ["a norm that is just it", [3e-4, 4e-4], 5e-4, [5e-4, 5e-4 / (5e-4 + 1e-6)]],
    ["NaN", [Number.NaN, 1], 5, [Number.NaN, Number.NaN]],
  ])("%s", async (_case, gradient, maxNorm, expected) => {
    // The gradient of Σ x² is 2 x.
    const x = setRequiresGrad(
      fromHost(
        device,
        Float32Array.from(gradient, (g) => g / 2),
        [2],
        "f32",
      ),
    );
    scope(() => sum(square(x)).backward());
    using clip = clipGradNorm([x], maxNorm);
    const found = Array.from(await clip.data());
    x.grad?.dispose();
    x.dispose();
    found.forEach((value, i) => {
      if (Number.isNaN(expected[i])) expect(value).toBeNaN();
      else expect(value / expected[i]).toBeCloseTo(1, 6);
    });
  });
});
