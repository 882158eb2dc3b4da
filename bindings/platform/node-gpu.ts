/** Dawn, loaded only where it can find an adapter: looking in vain, it writes warnings to standard error. */
import { existsSync, readdirSync } from "node:fs";

/** Kept for the life of the process: Dawn frees every device when the object that made them is collected. */
const entries = new Map<boolean, Promise<GPU>>();

/** Dawn's names: subgroup matrices are among its unsafe interfaces, and f16 on NVIDIA's GPUs must be asked for. */
const EXPERIMENTAL = ["enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia"];

export async function gpu(software: boolean, experimental = false): Promise<GPU> {
  const missing = missingForGpu(software);
  if (missing !== null) throw new Error(`webgpu: ${missing}`);
  const known = entries.get(experimental);
  if (known) return known;
  const entry = import("webgpu").then(
    ({ create, globals }) => {
      Object.assign(globalThis, globals);
      return create(experimental ? EXPERIMENTAL : []);
    },
    (cause) => {
      entries.delete(experimental);
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`WebGPU in Node needs the package "webgpu", which cannot be loaded: ${reason}`, { cause });
    },
  );
  entries.set(experimental, entry);
  return entry;
}

/** What Dawn needs on Linux and this machine lacks; null where Dawn may find an adapter. Other systems bring all of it. */
export function missingForGpu(software: boolean, loader = "libvulkan.so.1", nodes = gpuNodes()): string | null {
  if (process.platform !== "linux") return null;
  if (!software && nodes.length === 0) return "this machine has no GPU.";
  const fault = loadFault(loader);
  if (fault === null) return null;
  return (
    `no Vulkan loader (${fault}). For a GPU, install its Vulkan driver and libvulkan1; to run WebGPU on the CPU, ` +
    "mesa-vulkan-drivers (24 or later; in a clone: npm run setup -- --webgpu)"
  );
}

/** What GPU drivers put into /dev: Mesa's and most others, NVIDIA in containers, WSL, Adreno. */
function gpuNodes(): string[] {
  const render = existsSync("/dev/dri") ? readdirSync("/dev/dri").filter((name) => name.startsWith("renderD")) : [];
  return [...render, ...["/dev/nvidiactl", "/dev/dxg", "/dev/kgsl-3d0"].filter((path) => existsSync(path))];
}

/** Why the system cannot load a shared library; null where it can. Node then misses only the entry of an addon. */
function loadFault(library: string): string | null {
  try {
    process.dlopen({ exports: {} }, library);
  } catch (error) {
    const { message } = error as Error;
    if (!message.includes("did not self-register")) return message;
  }
  return null;
}
