import { afterAll, test } from "vitest";
import { platform } from "#platform";
import type { Binding } from "../../bindings/device.js";
import { openWebGpu } from "../../bindings/webgpu/device.js";
import type { GpuLimits } from "../../kernels/contract.js";
import { required } from "./devices.js";

const opened = await platform
  .gpu(true)
  .then((gpu) => openWebGpu(gpu, { allowSoftware: true, debug: true }))
  .catch((error: Error) => {
    if (required.has("webgpu")) throw error;
    return error;
  });
afterAll(() => {
  if (!(opened instanceof Error)) opened.close();
});

/**
 * A test of the bare webgpu binding in debug mode, skipped with its reason where no adapter opens. With `limits` kernels
 * choose their tiles as for an adapter that has those.
 */
export const gpuTest = (title: string, body: (gpu: Binding) => Promise<void>, limits: Partial<GpuLimits> = {}) =>
  test(title, async (context) => {
    if (opened instanceof Error) return context.skip(opened.message);
    const own = opened.limits;
    Object.assign(opened, { limits: { ...own, ...limits } });
    await body(opened).finally(() => Object.assign(opened, { limits: own }));
  });
