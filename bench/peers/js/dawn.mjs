// A page's world in Node: Dawn of the package "webgpu" that consilium itself uses, so that both run on the same adapter.

import { create, globals } from "webgpu";
import { watchDevices } from "./faults.mjs";

/** Before a library is imported that looks for WebGPU. Tells the adapter in words. */
export async function openDawn() {
  Object.assign(globalThis, globals);
  // The entry must outlive every device: Dawn frees them with it.
  const gpu = create([]);
  const navigator = { gpu, userAgent: "node", platform: process.platform, hardwareConcurrency: 1 };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  watchDevices();
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("WebGPU has no adapter here");
  const { vendor, architecture, description, device } = adapter.info;
  return [vendor, architecture, description || device].filter((word) => word).join(" ");
}
