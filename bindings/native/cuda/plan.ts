import type { AnyPass, CudaLaunch, CudaLaunches, FloatDType, Params } from "../../../kernels/contract.js";
import { CudaError, KernelMissing } from "../../errors.js";
import type { NativePlan } from "../binding.js";
import type { LaunchRecord } from "../command-writer.js";
import { pathOf } from "../path.js";
import { COMPILE, type CudaKernels } from "./kernels.js";
import type { CudaQueue } from "./queue.js";

export interface Step extends LaunchRecord {
  readonly launch: CudaLaunch<Params>;
}

/** What a launch of one pass in one storage type needs, looked up once. */
export interface Plan extends NativePlan {
  readonly steps: readonly Step[];
  readonly scratchBytes: CudaLaunches<Params>["scratchBytes"];
}

/**
 * Throws KernelMissing where the pass has no cuda kernel for `dtype`, or its file is missing, does not load or lacks a symbol;
 * CudaError where the memory of the GPU has no room for it.
 */
export function planOf(pass: AnyPass, dtype: FloatDType, queue: CudaQueue, kernels: CudaKernels): Plan {
  const { cuda } = pass;
  if (!cuda?.dtypes.includes(dtype)) throw new KernelMissing(pass, "cuda", dtype, cuda?.dtypes ?? []);
  const file = fileOf(pass, dtype, kernels);
  const paramIsFloat = pass.paramNames.map((name) => pass.params[name] === "f32");
  return {
    steps: cuda.launches
      .filter((launch) => (launch.dtypes ?? cuda.dtypes).includes(dtype))
      .map((launch) => ({
        kernel: find(pass, dtype, `${launch.symbol}_${dtype}`, file, queue),
        paramNames: pass.paramNames,
        paramIsFloat,
        launch,
      })),
    bufferNames: pass.bufferNames,
    optional: pass.bufferNames.map((name) => pass.buffers[name].optional),
    scratchBytes: cuda.scratchBytes?.bind(cuda),
  };
}

function fileOf(pass: AnyPass, dtype: FloatDType, kernels: CudaKernels): string {
  const library = pass.cuda?.library;
  if (library) return pathOf(library);
  const file = kernels.fileOf(pass.label);
  if (file !== null) return file;
  throw new KernelMissing(pass, "cuda", dtype, [], `its CUDA kernels are not compiled. Compile them with: ${COMPILE}`);
}

function find(pass: AnyPass, dtype: FloatDType, symbol: string, file: string, queue: CudaQueue): number {
  const remedy = pass.cuda?.library ? 'Export it: extern "C" __global__.' : `Compile it anew: ${COMPILE}`;
  let reason = `${file} has no kernel ${symbol}. ${remedy}`;
  try {
    const index = queue.findKernel(file, symbol, `${pass.label} ${dtype} (${symbol})`);
    if (index >= 0) return index;
  } catch (error) {
    if (!(error instanceof CudaError) || error.outOfMemory) throw error;
    reason = error.message;
  }
  throw new KernelMissing(pass, "cuda", dtype, [], reason);
}
