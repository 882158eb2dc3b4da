import { join } from "node:path";
import { OptionError } from "../../engine/index.js";
import { root } from "../environment.js";
import type { Peer } from "../task.js";
import { openFrozen } from "./frozen.js";
import { openOrt } from "./ort.js";
import { openTorch } from "./torch.js";

/** The package of the peers: onnxruntime-node when it is installed there, and the Python side of torch. */
export const peersFolder = join(root, "bench", "peers");

const known = {
  ort: (threads) => openOrt(peersFolder, { threads, constants: false }),
  "ort-const": (threads) => openOrt(peersFolder, { threads, constants: true }),
  torch: (threads) => openTorch(peersFolder, threads),
  frozen: openFrozen,
} satisfies Record<string, (threads: number) => Promise<Peer>>;

const peerNames: readonly string[] = Object.keys(known);

/** One that does not open here stays in the list, null with the reason. */
export interface OpenedPeer {
  readonly name: string;
  readonly peer: Peer | null;
  readonly reason: string;
}

export async function openPeers(names: readonly string[], threads: number): Promise<OpenedPeer[]> {
  for (const name of names)
    if (!(name in known)) throw new OptionError(`bench: unknown peer "${name}". Known: ${peerNames.join(", ")}.`);
  const opened: OpenedPeer[] = [];
  for (const name of new Set(names)) {
    try {
      opened.push({ name, peer: await known[name as keyof typeof known](threads), reason: "" });
    } catch (error) {
      opened.push({ name, peer: null, reason: (error as Error).message });
    }
  }
  return opened;
}
