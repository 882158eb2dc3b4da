import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { COMPILE, type CudaKernels } from "../native/cuda/kernels.js";

const require = createRequire(import.meta.url);

/** What the driver loads: compiled for several GPUs, for one, and (a simulated driver) for the host. */
const EXTENSIONS = [".fatbin", ".cubin", ".so"];

/** What scripts/cuda-kernels.mjs notes beside them. */
interface Compiled {
  readonly architectures: readonly string[];
  readonly sources: string;
}

/**
 * The compiled kernels of the package at `root`, or those of the folder that CONSILIUM_CUDA_KERNELS names. Throws, with what to
 * do, where they are missing or of other sources.
 */
export function findCudaKernels(root: string): CudaKernels {
  const named = process.env.CONSILIUM_CUDA_KERNELS;
  const folder = named || join(root, "build", "cuda");
  if (!existsSync(folder))
    throw new Error(
      named
        ? `CONSILIUM_CUDA_KERNELS names ${named}, which is not there.`
        : `the CUDA kernels are not compiled. With nvcc of CUDA 12 or later: ${COMPILE}`,
    );
  return {
    architectures: named ? [] : architecturesOf(root, folder),
    fileOf: (label) => {
      const files = EXTENSIONS.map((extension) => join(folder, `${label}${extension}`));
      return files.find((file) => existsSync(file)) ?? null;
    },
  };
}

function architecturesOf(root: string, folder: string): readonly string[] {
  const note = join(folder, "compiled.json");
  if (!existsSync(note)) throw new Error(`compiling the CUDA kernels did not end. Go on with: ${COMPILE}`);
  const { architectures, sources }: Compiled = JSON.parse(readFileSync(note, "utf8"));
  const hashes = join(root, "bindings", "native", "sources.cjs");
  // A deployment without the sources has nothing to compare with.
  if (existsSync(hashes) && require(hashes).cudaSourcesHash(root) !== sources)
    throw new Error(
      `the CUDA kernels were compiled from other sources than are here now. Compile them with: ${COMPILE}`,
    );
  return architectures;
}
