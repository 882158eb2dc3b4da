import type { Binding } from "../../bindings/device.js";

/** Whether this run is that of the simulated GPU (the project cuda-sim): the cuda device alone, and small cases. */
export const simulated = process.env.CONSILIUM_CUDA_DRIVER !== undefined;

/** Operations and elements that the simulator computes in a fraction of a second. */
export const SIMULATED_LIMIT = { flops: 4e6, elements: 70_000 };

/** Whether large cases are left out: by the simulator, and where CONSILIUM_SMALL is set, under a sanitizer (scripts/gpu). */
export const onlySmall = simulated || Boolean(process.env.CONSILIUM_SMALL);

/** Whether what takes the simulator a quarter of a minute or more is left out: CONSILIUM_SIMT_WHOLE, which CI sets in a step of its own, has it too. */
export const shortened = simulated && !process.env.CONSILIUM_SIMT_WHOLE;

/** Whether a pass with these arrays is too large for the simulator, where that is the device. */
export const tooLarge = (arrays: Readonly<Record<string, { readonly length: number } | null>>): boolean =>
  simulated && Object.values(arrays).reduce((sum, a) => sum + (a?.length ?? 0), 0) > SIMULATED_LIMIT.elements;

/**
 * What is run twice on a device, to see that the bits are the same: by GPUs, whose threads may come in another order, which the
 * simulator draws from the seed. Elsewhere once.
 */
export const repeats = (binding: Pick<Binding, "name">): readonly number[] => (binding.name === "cuda" ? [1, 2] : [1]);

/** From now on threads of the simulator come in the order of this seed. Nothing may be under way. */
export function useSeed(seed: number): void {
  if (simulated) process.env.CONSILIUM_SIMT_SEED = String(seed);
}
