import { platform } from "#platform";
import type { Binding, DeviceName, DeviceOptions } from "../../bindings/device.js";
import { DeviceError } from "../errors.js";
import { Device } from "./device.js";

/** Memory budget where nothing else is known: a browser does not tell. */
const DEFAULT_BUDGET = 4 * 2 ** 30;

/**
 * Opens a device by name, or the best one here: cuda, then webgpu on a real GPU, then cpu. Bindings are loaded when asked
 * for, so a machine without the addon or without WebGPU still runs the rest.
 *
 * Throws DeviceError with what is missing and what to do.
 */
export async function openDevice(name?: DeviceName, options: DeviceOptions = {}): Promise<Device> {
  const binding = name ? await openBinding(name, options) : await best(options);
  const budget = options.memoryBudget ?? Math.floor((platform.memoryLimit || DEFAULT_BUDGET) * 0.9);
  return new Device(binding, budget, options.debug);
}

async function best(options: DeviceOptions): Promise<Binding> {
  const refused: string[] = [];
  for (const name of ["webgpu", "cpu"] as const) {
    try {
      return await openBinding(name, { ...options, allowSoftware: false }, false);
    } catch (error) {
      refused.push(`${name}: ${(error as Error).message}`);
    }
  }
  throw new DeviceError(
    `openDevice: no device opens here.\n  ${refused.join("\n  ")}\n"reference" runs anywhere, slowly.`,
  );
}

async function openBinding(name: DeviceName, options: DeviceOptions, byName = true): Promise<Binding> {
  switch (name) {
    case "reference": {
      const { ReferenceBinding } = await import("../../bindings/reference/device.js");
      return new ReferenceBinding(options);
    }
    case "cpu": {
      const addon = platform.native();
      const { openCpu } = await import("../../bindings/native/device.js");
      return openCpu(addon, { threads: platform.cores, ...options });
    }
    case "webgpu": {
      const { openWebGpu } = await import("../../bindings/webgpu/device.js");
      const allowSoftware = options.allowSoftware ?? byName;
      const binding = await openWebGpu(await platform.gpu(allowSoftware, options.experimental), {
        ...options,
        allowSoftware,
      });
      if (!binding.limits?.matrices) return binding;
      const { withCheckedMatrices } = await import("./check-matrices.js");
      return withCheckedMatrices(binding);
    }
    case "cuda":
      throw new DeviceError('openDevice("cuda"): this version has no CUDA device yet. Use "cpu" or "webgpu".');
    default:
      throw new DeviceError(`openDevice: unknown device "${name satisfies never}". Known: cpu, webgpu, reference.`);
  }
}
