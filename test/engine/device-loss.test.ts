import { expect, test } from "vitest";
import { DeviceLost } from "../../bindings/errors.js";
import { capture } from "../../engine/device/capture.js";
import { openDevice } from "../../engine/device/open-device.js";
import { DeviceError, DeviceLostError } from "../../engine/errors.js";
import { Initializer, Linear } from "../../engine/nn/index.js";
import { matmul } from "../../engine/ops/matmul.js";
import { scale } from "../../engine/ops/unary.js";
import { scope } from "../../engine/scope.js";
import { tensor } from "../../engine/tensor.js";
import { tryOpenLosable } from "../support/losable.js";

const probe = await tryOpenLosable();
if (typeof probe !== "string") probe.device.close();
const lossTest = (title: string, body: () => Promise<void>) =>
  test(title, async (context) => (typeof probe === "string" ? context.skip(probe) : body()));

const open = async (debug = false) => {
  const opened = await tryOpenLosable(debug);
  if (typeof opened === "string") throw new Error(opened);
  return opened;
};
const TEXT =
  /^the webgpu device was lost: .+\. Its tensors are gone\. Open it again with openDevice\("webgpu"\), load the model anew, and go on from the last checkpoint\.$/;

lossTest("everything that is awaited rejects, and says what to do", async () => {
  const { device, lose } = await open();
  const x = tensor([1, 2, 3], { device });
  const y = scale(x, 2);
  const pending = [y.data(), y.data(), device.finish(), device.ready().then(() => device.ready())];
  lose();
  for (const outcome of await Promise.allSettled(pending)) {
    expect(outcome.status).toBe("rejected");
    const { reason } = outcome as PromiseRejectedResult;
    expect(reason).toBeInstanceOf(DeviceLostError);
    expect(reason).toBeInstanceOf(DeviceError);
    expect(reason.message).toMatch(TEXT);
  }
  device.close();
});

lossTest("every call after it throws the same; letting go is harmless", async () => {
  const { device, lose } = await open();
  const x = tensor([1, 2, 3], { device });
  const captured = capture(device, () => scale(x, 3));
  await captured.replay().data();
  lose();
  await expect(x.data()).rejects.toThrow(DeviceLostError);
  const calls: Record<string, () => unknown> = {
    op: () => scale(x, 2),
    "a fresh size": () => tensor(new Float32Array(12_345), { device }),
    write: () => x.write([4, 5, 6]),
    replay: () => captured.replay(),
    seed: () => device.seed(3),
  };
  for (const [name, call] of Object.entries(calls)) {
    expect(call, name).toThrow(DeviceLostError);
    expect(call, name).toThrow(TEXT);
  }
  await expect(device.finish()).rejects.toThrow(DeviceLostError);
  await expect(device.ready().then(() => device.ready())).rejects.toThrow(DeviceLostError);
  await expect(device.warmUp(() => scale(x, 2))).rejects.toThrow(DeviceLostError);
  captured.dispose();
  x.dispose();
  device.close();
  device.close();
  expect(() => tensor([1], { device })).toThrow(new DeviceError("tensor: the webgpu device is closed. Open it again."));
});

lossTest("a read that is caught after it leaves nothing unhandled", async () => {
  const { device, lose } = await open(true);
  const x = tensor([1, 2, 3], { device });
  lose();
  await expect(device.finish()).rejects.toThrow(DeviceLostError);
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  // vitest listens, too, and would fail the run.
  process.on("unhandledRejection", note);
  try {
    await expect(x.data()).rejects.toThrow(DeviceLostError);
    await expect(device.binding.checkGuards?.(x.storage.memory)).rejects.toThrow(DeviceLost);
    // Told after the microtasks of the turn.
    await new Promise((later) => setTimeout(later, 10));
  } finally {
    process.off("unhandledRejection", note);
  }
  expect(unhandled).toEqual([]);
  device.close();
});

lossTest("another device opens, and a model loads into it", async () => {
  const { device, lose } = await open();
  const model = new Linear(new Initializer(device, 1), 4, 2);
  const saved = new Map<string, { shape: readonly number[]; values: ArrayLike<number> }>();
  for (const [name, p] of model.namedParameters()) saved.set(name, { shape: p.shape, values: await p.data() });
  lose();
  await expect(device.finish()).rejects.toThrow(DeviceLostError);
  model.dispose();
  device.close();

  using next = await openDevice("webgpu");
  using again = new Linear(new Initializer(next, 2), 4, 2);
  again.loadState(saved);
  using x = tensor([[1, 0, 0, 0]], { device: next });
  using y = scope(() => again.forward(x));
  const weight = saved.get("weight")?.values as Float32Array;
  const bias = saved.get("bias")?.values as Float32Array;
  const found = await y.data();
  expect(found[0]).toBeCloseTo(weight[0] + bias[0], 6);
  expect(found[1]).toBeCloseTo(weight[4] + bias[1], 6);
});

lossTest("a device that is closed under way says that, and nothing of a loss", async () => {
  const { device } = await open();
  const x = tensor(new Float32Array(64).fill(1), { device, shape: [8, 8] });
  const pending = matmul(x, x).data();
  device.close();
  const error = await pending.catch((e) => e);
  expect(error).toBeInstanceOf(DeviceError);
  expect(error).not.toBeInstanceOf(DeviceLostError);
  expect(error.message).toBe("the webgpu device was closed with work under way. Await it before close().");
});
