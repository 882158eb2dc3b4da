import { buildDriver, buildKernels, kernelFolders } from "../../scripts/simt-kernels.mjs";

/** Global setup of the project cuda-sim: compiles the simulated driver and the kernels that are not up to date. */
export default async function setup(): Promise<void> {
  await buildDriver();
  await buildKernels(kernelFolders());
}
