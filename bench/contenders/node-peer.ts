import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Peer } from "../task.js";
import { openProcessPeer } from "./process-peer.js";

/** jax-js calls iterator helpers, which Node 20 has behind a flag. */
const FLAGS = Number.parseInt(process.versions.node, 10) < 22 ? ["--harmony-iterator-helpers"] : [];

export interface NodePeer {
  /** The npm package that must be in bench/peers; null of code that is our own. */
  readonly package: string | null;
  /** What gets it there, where `npm i` alone does not. */
  readonly install?: string;
  /** Its file in bench/peers/js. */
  readonly library: string;
  /** What else the library is told: see there. */
  readonly flags?: readonly string[];
  /** See ProcessPeer. */
  readonly patience?: number;
}

/**
 * A JavaScript library in a process of its own (bench/peers/js/peer.mjs): each wants to be the only one of its world, what
 * it takes of the processor is told apart there, and its end is not ours.
 */
export async function openNodePeer(
  folder: string,
  { device, threads, limitSeconds }: { device: string; threads: number; limitSeconds: number },
  { package: of, install = "npm i --prefix bench/peers --ignore-scripts", library, flags = [], patience = 3 }: NodePeer,
): Promise<Peer> {
  const hint = `Install it with: ${install}`;
  if (of !== null && !existsSync(join(folder, "node_modules", of, "package.json")))
    throw new Error(`${of}: it is not installed. ${hint}`);
  const count = String(threads);
  return openProcessPeer({
    label: of ?? library,
    command: process.execPath,
    args: [...FLAGS, join(folder, "js", "peer.mjs"), library, ...flags],
    // TensorFlow's pools know no other way.
    env: { ...process.env, TF_NUM_INTRAOP_THREADS: count, TF_NUM_INTEROP_THREADS: "1", OMP_NUM_THREADS: count },
    hello: { device, threads },
    hint,
    limitSeconds,
    patience,
  });
}
