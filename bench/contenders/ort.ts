import { createRequire } from "node:module";
import { join } from "node:path";
import { type Peer, Unsupported } from "../task.js";
import type { Ort } from "./ort-interface.js";
import { type OrtOptions, ortPeer } from "./ort-session.js";

/** onnxruntime-node, in this process. */
export async function openOrt(folder: string, options: OrtOptions): Promise<Peer> {
  // It would compute on the processor without a word.
  if (options.device.startsWith("cuda")) throw new Unsupported("it is compared on cpu and webgpu, not on cuda");
  return ortPeer(load(folder), options);
}

function load(folder: string): Ort {
  try {
    return createRequire(join(folder, "package.json"))("onnxruntime-node") as Ort;
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND";
    const reason = missing ? "it is not installed" : (cause as Error).message;
    throw new Error(`onnxruntime-node: ${reason}. Install it with: npm i --prefix bench/peers --ignore-scripts`, {
      cause,
    });
  }
}
