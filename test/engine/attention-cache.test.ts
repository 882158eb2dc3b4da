import { afterAll, describe, expect, test } from "vitest";
import type { Device } from "../../engine/device/device.js";
import { openDevice } from "../../engine/device/open-device.js";
import { attention } from "../../engine/ops/attention.js";
import { slice } from "../../engine/ops/slice.js";
import { scope } from "../../engine/scope.js";
import { fromHost, type Tensor } from "../../engine/tensor.js";
import { expectClose } from "../support/compare.js";
import { tryOpen } from "../support/devices.js";

/** A cache of keys and values that is filled in part, against the same keys alone. */
const reference = await openDevice("reference");
const cpu = await tryOpen("cpu", { threads: 2 });
afterAll(() => {
  reference.close();
  cpu.device?.close();
});
const devices: [string, Device][] = [
  ["reference", reference],
  ...(cpu.device ? [["cpu", cpu.device] as [string, Device]] : []),
];

const [B, CAPACITY, H, G, D] = [2, 150, 4, 2, 8];
const values = (n: number, step: number) => Float32Array.from({ length: n }, (_, i) => 2 * Math.sin(i * step));

describe.each(devices)("%s", (_name, device) => {
  const inputs = (L: number) => ({
    q: fromHost(device, values(B * L * H * D, 0.37), [B, L, H, D], "f32"),
    k: fromHost(device, values(B * CAPACITY * G * D, 0.11), [B, CAPACITY, G, D], "f32"),
    v: fromHost(device, values(B * CAPACITY * G * D, 0.23), [B, CAPACITY, G, D], "f32"),
    mask: fromHost(
      device,
      Int32Array.from({ length: B * CAPACITY }, (_, i) => (i % 7 && i % 11 ? 1 : 0)),
      [B, CAPACITY],
      "i32",
    ),
  });
  const result = async (f: () => Tensor) => {
    using y = scope(f);
    return y.data();
  };

  test.each([
    ["decode", 1, 67],
    ["decode over two cells of keys", 1, 140],
    ["prefill", 20, 67],
    ["a full cache", 20, CAPACITY],
    ["one key", 3, 1],
  ])("%s: the mask's rows are as long as the cache", async (_case, L, keys) => {
    const partly = await result(() => {
      const { q, k, v, mask } = inputs(L);
      return attention(q, k, v, { mask, keys, causal: true });
    });
    const alone = await result(() => {
      const { q, k, v, mask } = inputs(L);
      const first = (t: Tensor) => slice(t, { dim: 1, start: 0, length: keys });
      return attention(q, first(k), first(v), { mask: first(mask), causal: true });
    });
    expectClose("y", partly, alone, 1e-6);
  });

  test.each([-1, 1.5, Number.NaN, CAPACITY + 1])("keys %d is refused", (keys) => {
    scope(() => {
      const { q, k, v } = inputs(1);
      expect(() => attention(q, k, v, { keys })).toThrow(
        `attention: keys is ${keys}; k holds ${CAPACITY}, so it must be a whole number from 0 to that.`,
      );
    });
  });
});
