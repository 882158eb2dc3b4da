import { existsSync } from "node:fs";
import { join } from "node:path";
import { OptionError } from "../../engine/index.js";
import type { FloatDType } from "../../kernels/contract.js";
import { root } from "../environment.js";
import type { OpenedPeer, Peer } from "../task.js";
import { openOrt } from "./ort.js";
import { COUNTERPARTS, openOwn } from "./own.js";
import { openTorch } from "./torch.js";
import { openWebgpuPeer } from "./webgpu.js";

/** The package of the peers: JavaScript libraries when they are installed there, and the processes that run them. */
export const peersFolder = join(root, "bench", "peers");

interface Conditions {
  readonly threads: number;
  /** The device of ours. */
  readonly device: string;
  /** Default f32. */
  readonly dtype?: FloatDType;
}

const known = {
  ort: ({ threads, device }) => openOrt(peersFolder, { threads, device, constants: false }),
  "ort-const": ({ threads, device }) => openOrt(peersFolder, { threads, device, constants: true }),
  "ort-lists": ({ threads, device }) => openOrt(peersFolder, { threads, device, constants: false, given: true }),
  tfjs: ({ device }) => openWebgpuPeer(peersFolder, "tfjs", device),
  "tfjs-lists": ({ device }) => openWebgpuPeer(peersFolder, "tfjs", device, ["lists"]),
  jax: ({ device }) => openWebgpuPeer(peersFolder, "jax", device),
  "jax-lists": ({ device }) => openWebgpuPeer(peersFolder, "jax", device, ["lists"]),
  torch: (conditions) => openTorch(peersFolder, conditions),
  "torch-loop": (conditions) => openTorch(peersFolder, conditions, ["loop"]),
  frozen: (conditions) => openOwn("frozen", conditions),
  dense: (conditions) => openOwn("dense", conditions),
} satisfies Record<string, (conditions: Conditions) => Promise<Peer>>;

/** Those that are given f32 alone. */
const IN_F32: ReadonlySet<string> = new Set([
  "ort",
  "ort-const",
  "ort-lists",
  "tfjs",
  "tfjs-lists",
  "jax",
  "jax-lists",
]);

export const peerNames: readonly string[] = Object.keys(known);

export async function openPeers(names: readonly string[], conditions: Conditions): Promise<OpenedPeer[]> {
  for (const name of names)
    if (!(name in known)) throw new OptionError(`bench: unknown peer "${name}". Known: ${peerNames.join(", ")}.`);
  const foreign = names.filter((name) => !(name in COUNTERPARTS));
  if (foreign.length > 0 && !existsSync(peersFolder))
    throw new OptionError(
      `bench: other libraries are compared in a clone of the repository: what runs them (bench/peers) is not in the npm package. Run it there, or without --peers ${foreign.join(",")}.`,
    );
  const opened: OpenedPeer[] = [];
  for (const name of new Set(names)) {
    try {
      if ((conditions.dtype ?? "f32") !== "f32" && IN_F32.has(name)) throw new Error("it computes in f32 here");
      opened.push({ name, peer: await known[name as keyof typeof known](conditions), reason: "" });
    } catch (error) {
      opened.push({ name, peer: null, reason: (error as Error).message });
    }
  }
  return opened;
}
