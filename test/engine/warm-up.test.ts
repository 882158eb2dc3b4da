import { afterAll, describe, expect, test } from "vitest";
import { platform } from "#platform";
import { WebGpuError } from "../../bindings/errors.js";
import { openWebGpu } from "../../bindings/webgpu/device.js";
import { capture } from "../../engine/device/capture.js";
import { Device } from "../../engine/device/device.js";
import { autocast } from "../../engine/dispatch/autocast.js";
import { run } from "../../engine/dispatch/run.js";
import { DeviceError, KernelError } from "../../engine/errors.js";
import { Initializer, Linear } from "../../engine/nn/index.js";
import { mul } from "../../engine/ops/binary.js";
import { crossEntropy } from "../../engine/ops/cross-entropy.js";
import { dropout } from "../../engine/ops/dropout.js";
import { sum } from "../../engine/ops/reduce.js";
import { scale } from "../../engine/ops/unary.js";
import { AdamW, SGD } from "../../engine/optim/index.js";
import { keep, scope } from "../../engine/scope.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { pass, read, write } from "../../kernels/contract.js";
import { required, tryOpen } from "../support/devices.js";

const fresh = async (): Promise<Device | string> =>
  platform
    .gpu(true)
    .then((gpu) => openWebGpu(gpu, { allowSoftware: true }))
    .then(
      (binding) => new Device(binding, 2 ** 32),
      (error: Error) => {
        if (required.has("webgpu")) throw error;
        return error.message;
      },
    );

/** A device of its own each, since compiled kernels stay; `skip` is for one that lacks what the test is about. */
const warmTest = (title: string, body: (device: Device, skip: (reason: string) => never) => Promise<void>) =>
  test(title, async (context) => {
    const device = await fresh();
    if (typeof device === "string") return context.skip(device);
    await body(device, context.skip).finally(() => device.close());
  });

/** Everything a training step has: a forward with dropout, an upload, a backward, an optimiser. */
const training = (device: Device) => {
  const init = new Initializer(device, 5);
  const [first, second] = [new Linear(init, 8, 16), new Linear(init, 16, 3)];
  const parameters = [...first.parameters(), ...second.parameters()];
  const optimizer = new AdamW(parameters, { lr: 1e-2 });
  const step = () => {
    const x = tensor(
      Float32Array.from({ length: 48 }, (_, i) => Math.sin(i)),
      { device, shape: [6, 8] },
    );
    const target = tensor(Int32Array.of(0, 1, 2, 0, 1, 2), { device });
    const loss = crossEntropy(second.forward(dropout(first.forward(x, "gelu"), 0.2)), target);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  };
  const trained = async (steps: number) => {
    const losses: number[] = [];
    for (let i = 0; i < steps; i++) {
      using loss = scope(step);
      losses.push(await loss.item());
    }
    return { losses, weights: await Promise.all(parameters.map((p) => p.data())), random: device.randomState };
  };
  return { step, trained, optimizer, first };
};

warmTest("the step after it compiles nothing, and computes what it would have", async (device) => {
  device.seed(7);
  const { step, trained, optimizer } = training(device);
  const progress: [number, number][] = [];
  const before = device.counters();
  await device.warmUp(step, { onProgress: (done, of) => progress.push([done, of]) });
  const warm = device.counters();
  expect(warm.programs).toBeGreaterThan(8);
  expect(progress.map(([done]) => done)).toEqual(progress.map((_, i) => i + 1));
  expect(progress.at(-1)?.[0]).toBe(progress[0][1]);
  expect(warm.recorded).toBe(before.recorded);
  // Only state of the optimiser is really made: its moments, and the list of the four parameters it steps.
  expect(warm.uploaded).toBe(before.uploaded + 4 * 4);
  expect(warm.ops - before.ops).toBe(2 * 4);
  expect(optimizer.steps).toBe(0);
  const found = await trained(3);
  expect(device.counters().programs).toBe(warm.programs);

  const cold = await fresh();
  if (typeof cold === "string") throw new Error(cold);
  cold.seed(7);
  const expected = await training(cold).trained(3);
  cold.close();
  expect(found).toEqual(expected);
});

warmTest("gradients are as before, also where the step leaves or clears some", async (device) => {
  const w = tensor([1, 2, 3], { device, requiresGrad: true });
  const b = tensor([4, 5, 6], { device, requiresGrad: true });
  scope(() => sum(scale(w, 2)).backward());
  const { grad } = w;
  const { allocations } = device.memory();
  await device.warmUp(() => {
    sum(scale(w, 5)).backward();
    sum(scale(w, 6)).backward();
    sum(scale(b, 7)).backward();
  });
  expect(w.grad).toBe(grad);
  expect(b.grad).toBeNull();
  expect([...(await (w.grad as Tensor).data())]).toEqual([2, 2, 2]);
  expect(device.memory().allocations).toBe(allocations);
});

warmTest("gradients are as before where the step begins by clearing them", async (device) => {
  using layer = new Linear(new Initializer(device, 5), 2, 2);
  using optimizer = new SGD(layer.parameters());
  using x = tensor([[1, 2]], { device });
  const backward = () => sum(layer.forward(x)).backward();
  scope(backward);
  const before = [...layer.parameters()].map(({ grad }) => grad as Tensor);
  const { allocations } = device.memory();
  for (const owner of [optimizer, layer]) {
    await device.warmUp(() => {
      owner.zeroGrad();
      for (const p of layer.parameters()) expect(p.grad).toBeNull();
      backward();
      optimizer.step();
      owner.zeroGrad();
    });
    expect([...layer.parameters()].map(({ grad }) => grad)).toEqual(before);
  }
  expect(device.memory().allocations).toBe(allocations);
  expect(await Promise.all(before.map(async (grad) => [...(await grad.data())]))).toEqual([
    [1, 2, 1, 2],
    [1, 1],
  ]);
});

warmTest("a launch whose kernel is not ready yet compiles it itself", async (device) => {
  using x = tensor([1, 2, 3], { device });
  const { programs } = device.counters();
  const warming = device.warmUp(() => scale(x, 2));
  using y = scope(() => scale(x, 2));
  expect([...(await y.data())]).toEqual([2, 4, 6]);
  await warming;
  expect(device.counters().programs).toBe(programs + 1);
  using z = scope(() => scale(x, 3));
  expect([...(await z.data())]).toEqual([3, 6, 9]);
});

warmTest("refuses a step that keeps what it made, of which nothing was computed", async (device) => {
  using x = tensor([1, 2], { device });
  const kept: Tensor[] = [];
  const mask = () => {
    if (kept.length === 0) kept.push(keep(tensor([5, 6], { device })), keep(scale(x, 2)));
    return mul(x, kept[0]);
  };
  await expect(device.warmUp(mask)).rejects.toThrow(
    new DeviceError(
      "warmUp: the step keeps what it made, of which nothing was computed: tensor (64 bytes), elementwise/unary (64 bytes). " +
        "Throw it away, and make it before the warm-up.",
    ),
  );
  for (const t of kept.splice(0)) t.dispose();
  using before = scope(mask);
  await device.warmUp(mask);
  using after = scope(mask);
  expect([...(await before.data()), ...(await after.data())]).toEqual([5, 12, 5, 12]);
  for (const t of kept) t.dispose();
});

warmTest("a graph from before it can still be walked back, whatever the step changes in place", async (device) => {
  using layer = new Linear(new Initializer(device, 5), 2, 2);
  using optimizer = new SGD(layer.parameters());
  using x = tensor([[1, 2]], { device, requiresGrad: true });
  using loss = scope(() => sum(layer.forward(x)));
  await device.warmUp(() => {
    x.write([3, 4]);
    sum(layer.forward(x)).backward();
    optimizer.step();
  });
  loss.backward();
  const weight = await layer.weight.data();
  expect([...(await (x.grad as Tensor).data())]).toEqual(
    [weight[0] + weight[2], weight[1] + weight[3]].map(Math.fround),
  );
});

warmTest("in mixed precision, and within autocast", async (device, skip) => {
  if (!device.binding.limits?.f16) return skip(`${device.description} has no f16`);
  using x = tensor([[1, 2]], { device });
  using layer = new Linear(new Initializer(device, 5), 2, 2);
  const step = () => sum(layer.forward(x));
  await autocast("f16", () => ({ warm: device.warmUp(step) })).warm;
  const { programs } = device.counters();
  using y = scope(() => autocast("f16", step));
  expect(Number.isFinite(await y.item())).toBe(true);
  expect(device.counters().programs).toBe(programs);
});

warmTest("refuses what needs values, and leaves nothing of a step that throws", async (device) => {
  using x = tensor([1, 2], { device });
  const text = (what: string) => `warmUp: ${what} inside the step, of which nothing is computed. Do it outside.`;
  const inside: [string, () => unknown][] = [
    ["another capture", () => capture(device, () => scale(x, 2))],
    ["seed()", () => device.seed(1)],
  ];
  for (const [what, act] of inside) await expect(device.warmUp(act)).rejects.toThrow(new DeviceError(text(what)));
  let rejected: unknown;
  await device.warmUp(() => void x.data().catch((error) => (rejected = error)));
  expect(rejected).toEqual(new DeviceError(text("a read")));
  await expect(device.warmUp(async () => {})).rejects.toThrow(
    new TypeError("warmUp: the function returned a Promise. A step is synchronous; await outside of it."),
  );
  const { allocations } = device.memory();
  await expect(
    device.warmUp(() => {
      scale(x, 2);
      throw new Error("stop");
    }),
  ).rejects.toThrow("stop");
  expect(device.memory().allocations).toBe(allocations);
  using y = scope(() => scale(x, 2));
  expect([...(await y.data())]).toEqual([2, 4]);
});

warmTest("says which kernel does not compile, where, on which adapter, in the driver's words", async (device) => {
  const broken = pass({
    label: "test/broken",
    buffers: { x: read("n"), y: write("n") },
    params: { n: "u32" },
    reference: () => {},
    webgpu: {
      dtypes: ["f32"],
      launches: [
        {
          source: {
            common: [],
            text: `
    struct Params { n: u32 }
    @group(0) @binding(0) var<storage, read> x: array<value>;
    @group(0) @binding(1) var<storage, read_write> y: array<value>;
    @group(0) @binding(2) var<uniform> params: Params;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = nothing; }`,
          },
          grid: () => [1, 1, 1],
        },
      ],
    },
  });
  using x = tensor([1, 2], { device });
  const error = await device.warmUp(() => run(device, broken, { x, y: [2] }, { n: 2 })).catch((e) => e);
  expect(error).toBeInstanceOf(KernelError);
  expect(error.cause).toBeInstanceOf(WebGpuError);
  expect(error.message).toContain("webgpu: test/broken f32: ");
  expect(error.message).toContain("test/broken.wgsl:6:100 error: unresolved value 'nothing'");
  expect(error.message).toContain(`\n  adapter: ${device.description}`);
  using y = scope(() => scale(x, 2));
  expect([...(await y.data())]).toEqual([2, 4]);
});

describe.each(["cpu", "reference"] as const)("on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());

  test("there is nothing to compile: it resolves without a call", async () => {
    let calls = 0;
    await device.warmUp(() => calls++);
    expect(calls).toBe(0);
  });
});
