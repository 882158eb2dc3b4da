import { join } from "node:path";
import type { FloatDType } from "../../kernels/contract.js";
import type { Peer } from "../task.js";
import { openProcessPeer } from "./process-peer.js";

/** What a mixture of experts is written with; the rest is the same of all. */
export type TorchMixture = "grouped" | "loop" | "transformers";

/**
 * PyTorch (bench/peers/torch_peer.py). CONSILIUM_PYTHON names the interpreter, `python3` where it does not. A mixture of experts
 * is its grouped product, a loop over experts, or the expert backends of transformers: a process each, so that each has its own
 * peak of memory.
 */
export function openTorch(
  folder: string,
  conditions: { threads: number; device: string; dtype: FloatDType; limitSeconds: number },
  mixture: TorchMixture,
): Promise<Peer> {
  const { threads, device, dtype, limitSeconds } = conditions;
  const command = process.env.CONSILIUM_PYTHON ?? "python3";
  const count = String(threads);
  return openProcessPeer({
    label: command,
    command,
    args: [join(folder, "torch_peer.py"), mixture],
    env: {
      ...process.env,
      OMP_NUM_THREADS: count,
      MKL_NUM_THREADS: count,
      OPENBLAS_NUM_THREADS: count,
      // glibc hands large blocks back as they are freed: every call would fault its pages in anew.
      MALLOC_MMAP_MAX_: "0",
      MALLOC_TRIM_THRESHOLD_: String(2 ** 40),
      // No __pycache__ beside the sources.
      PYTHONDONTWRITEBYTECODE: "1",
      // Nothing here comes from a hub.
      HF_HUB_OFFLINE: "1",
    },
    hello: { threads, device, dtype },
    hint: `Install ${mixture === "transformers" ? "PyTorch and transformers" : "PyTorch"} for it, or name another with CONSILIUM_PYTHON`,
    limitSeconds,
    // All backends of SDPA and of cuBLAS, and on CUDA the first use of each loads its kernels.
    patience: 3,
  });
}
