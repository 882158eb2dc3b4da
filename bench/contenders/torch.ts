import { join } from "node:path";
import type { FloatDType } from "../../kernels/contract.js";
import type { Peer } from "../task.js";
import { openProcessPeer } from "./process-peer.js";

/**
 * PyTorch (bench/peers/torch_peer.py). CONSILIUM_PYTHON names the interpreter, `python3` where it does not. A mixture of experts is
 * its grouped product, or a `loop` over experts: a process each, so that each has its own peak of memory.
 */
export function openTorch(
  folder: string,
  { threads, device, dtype = "f32" }: { threads: number; device: string; dtype?: FloatDType },
  how: readonly "loop"[] = [],
): Promise<Peer> {
  if (device !== "cpu" && !device.startsWith("cuda"))
    return Promise.reject(new Error(`it is compared on cpu and cuda, not on ${device}`));
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
    hello: { threads, device, dtype },
    hint: "Install PyTorch for it, or name another with CONSILIUM_PYTHON",
  });
}
