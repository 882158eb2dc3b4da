import { platform } from "#platform";
import type { Binding, DeviceChoice, DeviceName, DeviceOptions } from "../../bindings/device.js";
import { DeviceError } from "../errors.js";
import { Device } from "./device.js";

/** Memory budget where nothing else is known: a browser does not tell. */
const DEFAULT_BUDGET = 4 * 2 ** 30;

/**
 * Opens a device by name, or the best one here: cuda, then webgpu on a real GPU, then cpu; `passedOver` of the device says why
 * it is not one before. "cuda:1" is cuda with the index 1. Bindings are loaded when asked for, so a machine without the addon
 * or without WebGPU still runs the rest.
 *
 * Throws DeviceError with what is missing and what to do.
 */
export async function openDevice(name?: DeviceChoice, options: DeviceOptions = {}): Promise<Device> {
  const passedOver: string[] = [];
  const binding = name ? await openChosen(name, options) : await best(options, passedOver);
  const limit = binding.memoryLimit ?? (platform.memoryLimit || DEFAULT_BUDGET);
  try {
    return new Device(binding, options.memoryBudget ?? Math.floor(limit * 0.9), { debug: options.debug, passedOver });
  } catch (error) {
    binding.close();
    throw error;
  }
}

async function best(options: DeviceOptions, passedOver: string[]): Promise<Binding> {
  for (const name of ["cuda", "webgpu", "cpu"] as const) {
    try {
      return await openBinding(name, { ...options, allowSoftware: false }, false);
    } catch (error) {
      passedOver.push(`${name}: ${(error as Error).message}`);
    }
  }
  throw new DeviceError(
    `openDevice: no device opens here.\n  ${passedOver.join("\n  ")}\n"reference" runs anywhere, slowly.`,
  );
}

async function openChosen(choice: DeviceChoice, options: DeviceOptions): Promise<Binding> {
  const [, name, index] = /^(cuda):(\d+)$/.exec(choice) ?? [];
  if (name === undefined) return openBinding(choice as DeviceName, options);
  return openBinding(name as DeviceName, { ...options, index: Number(index) });
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
    case "cuda": {
      try {
        const addon = platform.native();
        const kernels = platform.cudaKernels();
        const { openCuda } = await import("../../bindings/native/cuda/device.js");
        return openCuda(addon, kernels, options);
      } catch (error) {
        throw new DeviceError(`openDevice("cuda"): ${(error as Error).message}`, { cause: error });
      }
    }
    default:
      throw new DeviceError(
        `openDevice: unknown device "${name satisfies never}". Known: cuda, webgpu, cpu, reference, and cuda:1 for a GPU by its index.`,
      );
  }
}
