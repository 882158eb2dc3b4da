import type { GpuLimits } from "../../kernels/contract.js";

/** Optional features that kernels or benchmarks use where an adapter has them. */
const FEATURES: readonly GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];

/** Limits worth raising above the specification's defaults: the adapter's own value is asked for. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "minUniformBufferOffsetAlignment",
] as const;

const SOFTWARE = /llvmpipe|lavapipe|swiftshader|software|basic render/i;

/** Drivers that run shaders on the CPU. Not all of them set `isFallbackAdapter`, so their names are looked at too. */
export function isSoftware(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter || SOFTWARE.test(`${info.architecture} ${info.device} ${info.description}`);
}

/** For people. Some drivers describe themselves alone: then the chip's name goes before. */
export function describe({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  const said = `${vendor} ${description}`.toLowerCase();
  const isNamed = device.split("-").some((word) => word.length > 2 && word !== vendor && said.includes(word));
  const words = [vendor, architecture, isNamed && description ? "" : device, description].filter((word) => word);
  return words.join(" ") || "unnamed adapter";
}

/** The adapter to use. Throws with what to do where there is none, or only a software one that nobody asked for. */
export async function chooseAdapter(gpu: GPU, allowSoftware: boolean): Promise<GPUAdapter> {
  const adapter = await gpu.requestAdapter({
    powerPreference: "high-performance",
  });
  if (!adapter) {
    throw new Error(
      "webgpu: no adapter. In Node, install the GPU's Vulkan driver, or Mesa 24 or newer (mesa-vulkan-drivers) to run on the " +
        "CPU; in a browser, turn hardware acceleration on (chrome://gpu says why it is off).",
    );
  }
  if (isSoftware(adapter.info) && !allowSoftware) {
    throw new Error(
      `webgpu: the only adapter, ${describe(adapter.info)}, runs on the CPU; the cpu device is many times faster. ` +
        `Use openDevice("cpu"), or ask for it by name: openDevice("webgpu").`,
    );
  }
  return adapter;
}

/** Not in the specification yet: Chromium and Dawn offer them where they are asked to. */
const MATRICES = "chromium-experimental-subgroup-matrix" as GPUFeatureName;

/** A device with the features and limits of its adapter, not the specification's minimum. */
export function requestDevice(adapter: GPUAdapter, experimental: boolean): Promise<GPUDevice> {
  const wanted = experimental ? [...FEATURES, MATRICES] : FEATURES;
  return adapter.requestDevice({
    label: "consilium",
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
  });
}

interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** Whether the adapter has the matrices that kernels/common/wgsl/product-matrix.wgsl is written for. */
export function hasMatrices(info: GPUAdapterInfo): boolean {
  const configs = (info as { subgroupMatrixConfigs?: Iterable<MatrixConfig> }).subgroupMatrixConfigs ?? [];
  return (
    info.subgroupMinSize === 32 &&
    info.subgroupMaxSize === 32 &&
    [...configs].some(
      ({ componentType, resultComponentType, M, N, K }) =>
        componentType === "f16" && resultComponentType === "f32" && M === 16 && N === 16 && K === 16,
    )
  );
}

export function gpuLimits(device: GPUDevice, info: GPUAdapterInfo): GpuLimits {
  const subgroups = device.features.has("subgroups");
  return {
    maxWorkgroupStorage: device.limits.maxComputeWorkgroupStorageSize,
    maxWorkgroupInvocations: device.limits.maxComputeInvocationsPerWorkgroup,
    subgroups,
    // The smallest size that a compiler may choose: safe for sizing partial results.
    subgroupSize: subgroups ? (info.subgroupMinSize ?? 0) : 0,
    f16: device.features.has("shader-f16"),
    matrices: device.features.has(MATRICES) && hasMatrices(info),
    maxBinding: device.limits.maxStorageBufferBindingSize,
    software: isSoftware(info),
  };
}
