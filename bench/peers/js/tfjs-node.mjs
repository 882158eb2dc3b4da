// TensorFlow.js on TensorFlow's own library; its threads are told by the environment (node-peer.ts).

import { createRequire } from "node:module";
import * as tf from "@tensorflow/tfjs";
import { preparing } from "./tfjs.mjs";

export const library = "@tensorflow/tfjs-node";

export async function open({ flags }) {
  // It registers itself with the library that it requires, which is the one imported here.
  createRequire(import.meta.url)("@tensorflow/tfjs-node");
  if (!(await tf.setBackend("tensorflow"))) throw new Error("TensorFlow.js did not start TensorFlow");
  await tf.ready();
  return preparing({ lists: flags.includes("lists") });
}
