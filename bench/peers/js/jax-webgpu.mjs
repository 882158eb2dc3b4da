// jax-js on WebGPU. A page bundles this file.

import * as jax from "@jax-js/jax";
import { preparing } from "./jax.mjs";

export const library = "@jax-js/jax";

export async function open({ flags = [] } = {}) {
  await jax.init("webgpu");
  jax.defaultDevice("webgpu");
  const idle = () => jax.getWebGPUDevice().queue.onSubmittedWorkDone();
  return preparing({ lists: flags.includes("lists"), idle });
}
