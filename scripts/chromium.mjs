// The Chromium of the tests and benchmarks of pages. Only Node's own modules: the set-up asks before npm packages are there.
import { existsSync } from "node:fs";

/** The executable that CHROMIUM names, or a system's own; undefined where none is. */
export const chromiumPath = () =>
  (process.env.CHROMIUM ? [process.env.CHROMIUM] : ["/usr/bin/chromium", "/usr/bin/chromium-browser"]).find(existsSync);

/** WebGPU on the CPU, by the adapter that Chromium brings (SwiftShader). */
export const CHROMIUM_FLAGS = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
  "--no-sandbox",
];

export const NO_CHROMIUM =
  "no Chromium here. As root: node scripts/setup.mjs --browser --yes, or set CHROMIUM to its path";
