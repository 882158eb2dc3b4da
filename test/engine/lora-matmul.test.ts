import { afterAll, expect, test, vi } from "vitest";
import { gradients } from "../../engine/autograd/tape.js";
import { openDevice } from "../../engine/device/open-device.js";
import { loraMatmul } from "../../engine/ops/lora-matmul.js";
import { sum } from "../../engine/ops/reduce.js";
import { scope } from "../../engine/scope.js";
import { fromHost, type Tensor } from "../../engine/tensor.js";
import * as kernels from "../../kernels/lora-matmul/kernels.js";
import { tryOpen } from "../support/devices.js";

const [T, K, N, R] = [60, 48, 40, 4];
const reference = await openDevice("reference");
const opened = [await tryOpen("cpu", { threads: 2 }), await tryOpen("cuda")].flatMap(({ device }) => device ?? []);
const devices = [reference, ...opened];
afterAll(() => {
  for (const device of devices) device.close();
});

test.each(devices)("an input without a gradient (patches of an image) costs none: $name", async (device) => {
  const launch = vi.spyOn(device.binding, "launch");
  /** da and db, with the gradient of x or without. */
  const adapter = async (withX: boolean) => {
    launch.mockClear();
    const make = (shape: number[], step: number) =>
      fromHost(
        device,
        Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(i * step)),
        shape,
        "f32",
      );
    const found = scope(() => {
      const [x, weight, a, b] = [make([T, K], 0.3), make([N, K], 0.7), make([R, K], 0.5), make([N, R], 0.9)];
      const leaves = withX ? [x, a, b] : [a, b];
      for (const t of leaves) t.requiresGrad = true;
      return gradients(sum(loraMatmul(x, weight, a, b, { scale: 2 })), leaves).slice(-2) as Tensor[];
    });
    const values = await Promise.all(found.map(async (t) => Array.from(await t.data())));
    for (const t of found) t.dispose();
    return values;
  };
  const whole = await adapter(true);
  const part = await adapter(false);
  expect(part).toEqual(whole);
  const call = launch.mock.calls.find(([pass]) => pass === kernels.backwardInput);
  expect(call?.[2][kernels.backwardInput.bufferNames.indexOf("dx")]).toBeNull();
  launch.mockRestore();
});
