import { existsSync } from "node:fs";
import { join } from "node:path";
import { OptionError } from "../../engine/index.js";
import { didYouMean } from "../../engine/io/nearest.js";
import type { FloatDType } from "../../kernels/contract.js";
import { root } from "../machine/environment.js";
import type { OpenedPeer, Peer } from "../task.js";
import { isPeer, notCompared, PEERS, type PeerFacts, type PeerName, peerNames, peersOn } from "./names.js";
import { type NodePeer, openNodePeer } from "./node-peer.js";
import { COUNTERPARTS, openOwn } from "./own.js";
import { openTorch, type TorchMixture } from "./torch.js";

/** The package of the peers: JavaScript libraries when they are installed there, and the processes that run them. */
export const peersFolder = join(root, "bench", "peers");

interface Conditions {
  readonly threads: number;
  /** The device of ours. */
  readonly device: string;
  /** Default f32. */
  readonly dtype?: FloatDType;
  /** Of a piece of a peer, before its process is killed; the first calls of a task may take some times as long. Default 60. */
  readonly limitSeconds?: number;
  /** Where the peers are. Default `peersFolder`. */
  readonly folder?: string;
}

type Open = (folder: string, conditions: Required<Omit<Conditions, "folder">>) => Promise<Peer>;

/** Software adapters compile for up to a minute, each form of a task anew: `patience` for that. */
const COMPILES = 10;

const onWebgpu = (device: string) => device === "webgpu";

const ort =
  (...flags: string[]): Open =>
  (folder, conditions) =>
    openNodePeer(folder, conditions, { package: "onnxruntime-node", library: "ort", flags });

const tfjs =
  (...flags: string[]): Open =>
  (folder, conditions) => {
    const library: NodePeer = onWebgpu(conditions.device)
      ? { package: "@tensorflow/tfjs-backend-webgpu", library: "tfjs-webgpu", patience: COMPILES }
      : { package: "@tensorflow/tfjs-backend-wasm", library: "tfjs-wasm" };
    return openNodePeer(folder, conditions, { ...library, flags });
  };

const jax =
  (...flags: string[]): Open =>
  (folder, conditions) => {
    const library = onWebgpu(conditions.device) ? "jax-webgpu" : "jax-wasm";
    return openNodePeer(folder, conditions, { package: "@jax-js/jax", library, flags, patience: COMPILES });
  };

const torch =
  (mixture: TorchMixture): Open =>
  (folder, conditions) =>
    openTorch(folder, conditions, mixture);

const own =
  (name: keyof typeof COUNTERPARTS): Open =>
  (_, conditions) =>
    openOwn(name, conditions);

const known: Readonly<Record<PeerName, Open>> = {
  ort: ort(),
  "ort-const": ort("constants"),
  "ort-lists": ort("lists"),
  tfjs: tfjs(),
  "tfjs-lists": tfjs("lists"),
  "tfjs-node": (folder, conditions) =>
    openNodePeer(folder, conditions, {
      package: "@tensorflow/tfjs-node",
      // Its script compiles a binding and fetches TensorFlow's library.
      install: "npm i --prefix bench/peers --no-save @tensorflow/tfjs-node@4.22.0",
      library: "tfjs-node",
    }),
  jax: jax(),
  "jax-lists": jax("lists"),
  loops: (folder, conditions) => openNodePeer(folder, conditions, { package: null, library: "loops" }),
  torch: torch("grouped"),
  "torch-loop": torch("loop"),
  transformers: torch("transformers"),
  frozen: own("frozen"),
  dense: own("dense"),
};

/**
 * Starts those that are asked for; one that does not start stays in the list with its reason. Throws OptionError for names that
 * nothing has.
 */
export async function openPeers(names: readonly string[], conditions: Conditions): Promise<OpenedPeer[]> {
  const { dtype = "f32", limitSeconds = 60, folder = peersFolder, device } = conditions;
  const asked = [...new Set(names)].map((name) => {
    if (isPeer(name)) return name;
    throw new OptionError(unknown(name, device));
  });
  const foreign = asked.filter((name) => !(name in COUNTERPARTS));
  if (foreign.length > 0 && !existsSync(folder))
    throw new OptionError(
      `bench: other libraries are compared in a clone of the repository: what runs them (bench/peers) is not in the npm package. Run it there, or without --peers ${foreign.join(",")}.`,
    );
  const opened: OpenedPeer[] = [];
  for (const name of asked) {
    try {
      const reason = notCompared(name, device, dtype);
      if (reason) throw new Error(reason);
      const peer = await known[name](folder, { ...conditions, dtype, limitSeconds });
      opened.push({ name, peer, reason: "" });
    } catch (error) {
      opened.push({ name, peer: null, reason: (error as Error).message });
    }
  }
  return opened;
}

function unknown(name: string, device: string): string {
  const byWord = peerNames.find((peer) => (PEERS[peer] as PeerFacts).also?.includes(name.toLowerCase()));
  const meant = byWord ? `Did you mean "${byWord}"? ` : didYouMean(name, peerNames);
  return `bench: unknown peer "${name}". ${meant}Known: ${peerNames.join(", ")}; on ${device}: ${peersOn(device).join(", ")}.`;
}
