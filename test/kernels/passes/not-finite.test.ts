import { afterAll, describe, expect, test } from "vitest";
import { crossEntropy } from "../../../engine/ops/cross-entropy.js";
import { softmax } from "../../../engine/ops/softmax.js";
import { topK } from "../../../engine/ops/top-k.js";
import { tensor } from "../../../engine/tensor.js";
import * as top from "../../../kernels/top-k/kernels.js";
import { tryOpen } from "../../support/devices.js";
import { describePasses, type PassCase, room } from "../../support/pass-cases.js";

const cases: PassCase[] = [
  {
    pass: top.forward,
    name: "infinities at both ends of a row",
    params: { T: 1, V: 6, K: 6 },
    arrays: {
      x: Float32Array.of(1, -Infinity, 3e38, Infinity, -3e38, -0),
      values: room(6),
      indices: new Int32Array(6),
    },
    tolerance: { f32: 0 },
  },
];

describePasses([
  ["cpu", await tryOpen("cpu", { debug: true, threads: 2 }), cases],
  ["webgpu", await tryOpen("webgpu", { debug: true }), cases],
  ["cuda", await tryOpen("cuda", { debug: true }), cases],
]);

const cpu = await tryOpen("cpu", { debug: true, threads: 2 });
const webgpu = await tryOpen("webgpu", { debug: true });
const cuda = await tryOpen("cuda", { debug: true });
afterAll(() => {
  for (const { device } of [cpu, webgpu, cuda]) device?.close();
});

describe.each([
  ["cpu", cpu],
  ["webgpu", webgpu],
  ["cuda", cuda],
])("NaN on %s", (_name, { device, reason }) => {
  if (!device) return test.skip(`opens: ${reason}`, () => {});

  test("is first in top-k: it should not go unseen", async () => {
    using x = tensor([1, Number.NaN, 7, -Infinity, Number.NaN, 7], { device });
    const { values, indices } = topK(x, 6);
    expect([...(await indices.data())]).toEqual([1, 4, 2, 5, 0, 3]);
    expect([...(await values.data())]).toEqual([Number.NaN, Number.NaN, 7, 7, 1, -Infinity]);
    for (const t of [values, indices]) t.dispose();
  });

  test("fills its row in softmax and cross entropy, and no other", async () => {
    using x = tensor([1, Number.NaN, 2, 0, 0, -Infinity], { device, shape: [2, 3] });
    using y = softmax(x);
    expect([...(await y.data())]).toEqual([Number.NaN, Number.NaN, Number.NaN, 0.5, 0.5, 0]);
    using target = tensor(Int32Array.of(0, 1), { device });
    using loss = crossEntropy(x, target, { reduction: "none" });
    const [first, second] = await loss.data();
    expect(first).toBeNaN();
    expect(second).toBeCloseTo(Math.LN2, 6);
  });
});
