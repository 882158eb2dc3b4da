import { test } from "vitest";
import { platform } from "#platform";
import type { Binding } from "../../bindings/device.js";
import { openWebGpu } from "../../bindings/webgpu/device.js";
import type { GpuLimits } from "../../kernels/contract.js";
import { required } from "./devices.js";
import { simulated } from "./simulated.js";

const open = async () => {
  if (simulated) return new Error("this run is that of the simulated GPU");
  return openWebGpu(await platform.gpu(true), { allowSoftware: true, debug: true });
};
/** For all files that this process runs, one after the other: it ends with the process. */
const opened = await open().catch((error: Error) => {
  if (required.has("webgpu")) throw error;
  return error;
});

/**
 * A test of the bare webgpu binding in debug mode, skipped with its reason where no adapter opens. With `limits` kernels
 * choose their tiles as for an adapter that has those. `skip` is for an adapter that lacks what the test is about.
 */
export const gpuTest = (
  title: string,
  body: (gpu: Binding, skip: (reason: string) => never) => Promise<void>,
  limits: Partial<GpuLimits> = {},
) =>
  test(title, async (context) => {
    if (opened instanceof Error) return context.skip(opened.message);
    const own = opened.limits;
    Object.assign(opened, { limits: { ...own, ...limits } });
    await body(opened, context.skip).finally(() => Object.assign(opened, { limits: own }));
  });
