import { describe, expect, test } from "vitest";
import { openDevice } from "../../engine/device/open-device.js";
import { DeviceError } from "../../engine/errors.js";
import { zeros } from "../../engine/ops/fill.js";
import { matmul } from "../../engine/ops/matmul.js";
import { scale } from "../../engine/ops/unary.js";
import { scope } from "../../engine/scope.js";
import { tryOpen } from "../support/devices.js";

for (const name of ["cpu", "webgpu", "cuda"] as const) {
  const { device: probe, reason } = await tryOpen(name);
  probe?.close();

  describe.skipIf(!probe)(`profile on ${name} ${reason}`, () => {
    test("each launch by the device's clock, in order; afterwards nothing is timed", async () => {
      using device = await openDevice(name);
      if (!device.canProfile) return expect(device.profile(() => {})).rejects.toThrow(/has no clock of its own/);
      using a = zeros([64, 64], { device });
      using x = zeros([16], { device });
      const { ops, launches } = device.counters();
      const timings = await device.profile(() =>
        scope(() => {
          scale(x, 2);
          matmul(a, a);
          // More than one submission holds.
          for (let i = 0; i < 300; i++) scale(x, i);
        }),
      );
      expect(timings).toHaveLength(302);
      expect(timings[0].label).toMatch(/^elementwise\/unary f32/);
      expect(timings[1].label).toMatch(/^matmul\/forward f32/);
      expect(timings.every(({ ms }) => ms >= 0)).toBe(true);
      expect(timings.reduce((sum, { ms }) => sum + ms, 0)).toBeGreaterThan(0);
      expect(device.counters().ops - ops).toBe(302);
      expect(device.counters().launches - launches).toBeGreaterThanOrEqual(302);
      using y = scope(() => scale(x, 2));
      expect([...(await y.data())]).toEqual(new Array(16).fill(0));
    });

    test("a function that throws leaves no profile behind", async ({ skip }) => {
      using device = await openDevice(name);
      if (!device.canProfile) return skip(`${device.description} has no timestamps`);
      using x = zeros([16], { device });
      await expect(
        device.profile(() => {
          throw new Error("stop");
        }),
      ).rejects.toThrow("stop");
      expect(await device.profile(() => scope(() => void scale(x, 2)))).toHaveLength(1);
    });

    test("refuses one inside another, and a function that goes on later", async ({ skip }) => {
      using device = await openDevice(name);
      if (!device.canProfile) return skip(`${device.description} has no timestamps`);
      using x = zeros([16], { device });
      const work = () => scope(() => void scale(x, 2));
      let inner: Promise<unknown> | undefined;
      const timings = await device.profile(() => {
        work();
        inner = device.profile(work).catch((error) => error);
        work();
      });
      expect(timings).toHaveLength(2);
      expect(await inner).toEqual(new DeviceError("profile: another profile is running. Call one after the other."));
      await expect(device.profile(async () => work())).rejects.toThrow(
        new TypeError("profile: the function returned a Promise. Only what it launches at once is timed."),
      );
      expect(await device.profile(work)).toHaveLength(1);
    });
  });
}

test("profile says where there is no clock", async () => {
  using device = await openDevice("reference");
  expect(device.canProfile).toBe(false);
  await expect(device.profile(() => {})).rejects.toThrow(
    "profile: the reference device has no clock of its own. Time from outside.",
  );
});
