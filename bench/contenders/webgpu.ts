import { join } from "node:path";
import { type Peer, Unsupported } from "../task.js";
import { openProcessPeer } from "./process-peer.js";

/** jax-js calls iterator helpers, which Node 20 has behind a flag. */
const FLAGS = Number.parseInt(process.versions.node, 10) < 22 ? ["--harmony-iterator-helpers"] : [];

/**
 * A JavaScript library on WebGPU (bench/peers/webgpu), on the adapter that ours runs on. A process of its own, since each
 * wants to be the page's only one, and since its processor time is told apart there. `lists` among the flags: only forms
 * that are given each expert's rows.
 */
export async function openWebgpuPeer(
  folder: string,
  library: "tfjs" | "jax",
  device: string,
  flags: readonly string[] = [],
): Promise<Peer> {
  if (device !== "webgpu") throw new Unsupported(`${library} is compared on WebGPU: --device webgpu`);
  return openProcessPeer({
    command: process.execPath,
    args: [...FLAGS, join(folder, "webgpu", "peer.mjs"), library, ...flags],
    env: process.env,
    hello: {},
    hint: "Install it with: npm i --prefix bench/peers --ignore-scripts",
  });
}
