import type { DeviceName, DeviceOptions, Memory } from "../../bindings/device.js";
import type { Device } from "../../engine/device/device.js";
import { openDevice } from "../../engine/device/open-device.js";
import type { GpuLimits } from "../../kernels/contract.js";
import { simulated } from "./simulated.js";

/** Devices that must open here, e.g. CONSILIUM_REQUIRE=cpu,webgpu. One that is not required is skipped with its reason. */
export const required = new Set((process.env.CONSILIUM_REQUIRE ?? "cpu").split(",").filter(Boolean));

export type Opened =
  | { readonly device: Device; readonly reason: "" }
  | { readonly device: null; readonly reason: string };

export async function tryOpen(name: DeviceName, options: DeviceOptions = {}): Promise<Opened> {
  if (simulated && name !== "cuda") return { device: null, reason: "this run is that of the simulated GPU" };
  try {
    return { device: await openDevice(name, options), reason: "" };
  } catch (error) {
    if (simulated || required.has(name)) throw error;
    return { device: null, reason: (error as Error).message };
  }
}

/** What kernels choose their tiles by on the smallest GPU there may be, on a large one, and on a software adapter. */
export const ADAPTERS = {
  hardware: { software: false, maxWorkgroupStorage: 16384, maxWorkgroupInvocations: 256 },
  large: { software: false, maxWorkgroupStorage: 49152, maxWorkgroupInvocations: 1024 },
  software: { software: true, maxWorkgroupStorage: 32768, maxWorkgroupInvocations: 1024 },
} as const satisfies Record<string, Partial<GpuLimits>>;

/** False for a GPU without shader-f16, which NVIDIA's are to Dawn. */
export const hasF16 = (device: Device): boolean => device.binding.limits?.f16 ?? true;

/** The webgpu device with the tiles that a GPU would get, whatever the adapter. */
export async function tryOpenLikeGpu(options: DeviceOptions = {}): Promise<Opened> {
  const opened = await tryOpen("webgpu", options);
  const binding = opened.device?.binding;
  if (binding?.limits) Object.assign(binding, { limits: { ...binding.limits, ...ADAPTERS.hardware } });
  return opened;
}

/**
 * Watches every allocation of a debug device. The returned function checks the guard zones of those since its last call,
 * and frees pooled memory, so that the next case allocates anew.
 */
export function watchGuards(device: Device): () => Promise<string[]> {
  const memories: Memory[] = [];
  const { binding } = device;
  const allocate = binding.allocate.bind(binding);
  binding.allocate = (length, dtype) => {
    const memory = allocate(length, dtype);
    memories.push(memory);
    return memory;
  };
  return async () => {
    await device.finish();
    const damage: string[] = [];
    for (const memory of memories.splice(0)) {
      const found = await binding.checkGuards?.(memory);
      if (found) damage.push(found);
    }
    device.pool.trim();
    return damage;
  };
}
