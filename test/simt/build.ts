import { buildDriver, buildKernels, kernelFolders } from "../../scripts/simt-kernels.mjs";

/** Kernels of the tests of the device. */
const OF_TESTS = "test/bindings/cuda-kernels";

/**
 * Global setup of the project cuda-sim: compiles the simulated driver and the kernels that are not up to date, those of the
 * simulator's own tests too. A kernel that does not compile fails the tests that launch it; the others go on.
 */
export default async function setup(): Promise<void> {
  await buildDriver();
  await buildKernels([...kernelFolders(), "test/simt/faults", "test/simt/primitives", OF_TESTS]).catch((error: Error) =>
    console.error(error.message),
  );
}
