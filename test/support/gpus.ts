import { afterAll, test } from "vitest";
import type { Binding } from "../../bindings/device.js";
import type { GpuLimits } from "../../kernels/contract.js";
import { tryOpen } from "./devices.js";
import { simulated } from "./simulated.js";
import { gpuTest } from "./webgpu.js";

const cuda = await tryOpen("cuda", { debug: true });
afterAll(() => cuda.device?.close());

/** A test of the bare binding of each GPU: `gpuTest`, and the same on cuda where there is one, whose kernels have no `limits`. */
export function gpusTest(
  title: string,
  body: (gpu: Binding) => Promise<void>,
  limits: Partial<GpuLimits> | null = null,
): void {
  if (!simulated) gpuTest(`webgpu: ${title}`, body, limits ?? {});
  if (limits && Object.keys(limits).length > 0) {
    if (simulated) test.skip(`${title}: the simulated GPU has no tiles of another`, () => {});
    return;
  }
  test.skipIf(!cuda.device)(`cuda: ${title}`, () => body((cuda.device as NonNullable<typeof cuda.device>).binding));
}

/** Whether a GPU computes in f16: webgpu where the adapter does, cuda always. */
export const computesF16 = (gpu: Binding): boolean => gpu.limits?.f16 ?? true;
