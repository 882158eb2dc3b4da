// TensorFlow.js on WebGPU. A page bundles this file.

import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-webgpu";
import { preparing } from "./tfjs.mjs";

export const library = "@tensorflow/tfjs";

export async function open({ flags = [] } = {}) {
  if (!(await tf.setBackend("webgpu"))) throw new Error("TensorFlow.js found no WebGPU");
  await tf.ready();
  return preparing({ lists: flags.includes("lists") });
}
