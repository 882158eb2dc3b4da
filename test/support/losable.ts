import { platform } from "#platform";
import { openWebGpu } from "../../bindings/webgpu/device.js";
import { Device } from "../../engine/device/device.js";
import { required } from "./devices.js";

export interface Losable {
  readonly device: Device;
  /** Takes the device away, as a driver that resets does. */
  lose(): void;
}

/** Whatever `has` says instead of what `object` says. */
export const over = <T extends object>(object: T, has: Partial<T>): T =>
  new Proxy(object, {
    get(target, name) {
      if (name in has) return has[name as keyof T];
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

/** WebGPU's entry point whose adapters hand out what `change` makes of their devices. */
export function withDevices(gpu: GPU, change: (device: GPUDevice) => GPUDevice): GPU {
  return over(gpu, {
    async requestAdapter(options) {
      const adapter = await gpu.requestAdapter(options);
      return adapter && over(adapter, { requestDevice: async (d) => change(await adapter.requestDevice(d)) });
    },
  });
}

/** A webgpu device that can be lost; the reason where none opens here. */
export async function tryOpenLosable(debug = false): Promise<Losable | string> {
  let raw: GPUDevice | undefined;
  try {
    const gpu = withDevices(await platform.gpu(true), (device) => {
      raw = device;
      return device;
    });
    const device = new Device(await openWebGpu(gpu, { allowSoftware: true, debug }), 2 ** 32, { debug });
    return { device, lose: () => raw?.destroy() };
  } catch (error) {
    if (required.has("webgpu")) throw error;
    return (error as Error).message;
  }
}
