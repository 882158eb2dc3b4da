import { join } from "node:path";
import type { Peer } from "../task.js";
import { openProcessPeer } from "./process-peer.js";

/**
 * PyTorch (bench/peers/torch_peer.py). CONSILIUM_PYTHON names the interpreter, `python3` where it does not. A mixture of experts is
 * its grouped product, or a `loop` over experts: a process each, so that each has its own peak of memory.
 */
export function openTorch(folder: string, threads: number, how: readonly "loop"[] = []): Promise<Peer> {
  const count = String(threads);
  return openProcessPeer({
    command: process.env.CONSILIUM_PYTHON ?? "python3",
    args: [join(folder, "torch_peer.py"), ...how],
    env: {
      ...process.env,
      OMP_NUM_THREADS: count,
      MKL_NUM_THREADS: count,
      OPENBLAS_NUM_THREADS: count,
      // No __pycache__ beside the sources.
      PYTHONDONTWRITEBYTECODE: "1",
    },
    threads,
    hint: "Install PyTorch for it, or name another with CONSILIUM_PYTHON",
  });
}
