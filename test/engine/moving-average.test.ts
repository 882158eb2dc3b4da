import { afterAll, describe, expect, test } from "vitest";
import { type Device, openDevice, optim, tensor } from "../../engine/index.js";
import { tryOpen } from "../support/devices.js";
import { generator } from "../support/random.js";

for (const name of ["reference", "cpu", "webgpu", "cuda"] as const) {
  const { device, reason } = await tryOpen(name);
  afterAll(() => device?.close());
  describe(name, () => {
    const values = (count: number, seed: string) => {
      const random = generator(seed);
      return Float32Array.from({ length: count }, () => random.normal());
    };

    test.skipIf(!device)(`averages of two tensors, step after step${reason}`, async () => {
      const on = device as Device;
      const sizes = [7, 1030];
      const pairs = sizes.map((n) => [
        tensor(values(n, `m${n}`), { device: on }),
        tensor(values(n, `p${n}`), { device: on, requiresGrad: true }),
      ]) as [ReturnType<typeof tensor>, ReturnType<typeof tensor>][];
      const before = on.memory().allocations;
      for (let i = 0; i < 3; i++) optim.movingAverage(pairs, 0.9);
      expect(on.memory().allocations).toBe(before);
      for (const [i, [average, value]] of pairs.entries()) {
        const [m, p] = [values(sizes[i], `m${sizes[i]}`), values(sizes[i], `p${sizes[i]}`)];
        const got = await average.data();
        // Three roundings of numbers below 4.
        for (let k = 0; k < m.length; k++)
          expect(Math.abs(got[k] - (p[k] + 0.9 ** 3 * (m[k] - p[k])))).toBeLessThan(2e-6);
        expect(await value.data()).toEqual(p);
        average.dispose();
        value.dispose();
      }
    });

    test.skipIf(!device)(`decay 1 moves nothing, decay 0 copies${reason}`, async () => {
      const on = device as Device;
      using average = tensor([1, 2, 3], { device: on });
      using value = tensor([4, -2, 0.5], { device: on });
      optim.movingAverage([[average, value]], 1);
      expect([...(await average.data())]).toEqual([1, 2, 3]);
      optim.movingAverage([[average, value]], 0);
      expect([...(await average.data())]).toEqual([4, -2, 0.5]);
    });
  });
}

test("what is refused", async () => {
  using device = await openDevice("reference");
  using a = tensor([1, 2], { device });
  using b = tensor([1, 2, 3], { device });
  using c = tensor([1, 2], { device, dtype: "bf16" });
  using d = tensor([1, 2], { device, requiresGrad: true });
  expect(() => optim.movingAverage([[a, b]], 0.9)).toThrow("movingAverage: average [2] and value [3] differ");
  expect(() => optim.movingAverage([[a, c]], 0.9)).toThrow("is bf16; averages and values are f32");
  expect(() => optim.movingAverage([[d, a]], 0.9)).toThrow(
    "asks for a gradient. Set requiresGrad of averages to false",
  );
  expect(() => optim.movingAverage([], 1.5)).toThrow("movingAverage: decay 1.5 is not from 0 to 1");
});
