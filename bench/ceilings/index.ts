import type { Device } from "../../engine/index.js";
import type { FloatDType } from "../../kernels/contract.js";
import type { Ceiling } from "../document.js";
import { copyRate } from "./copy.js";
import { launchSeconds } from "./launch.js";
import { matrixRate, multiplyAddRate } from "./multiply-add.js";
import { type Sizes, sizesFor } from "./sizes.js";

/** How ceilings are measured. */
export interface CeilingOptions {
  /** Storage type of the rows they are for: cuda multiplies 16 bits on its tensor cores, the others compute in f32. */
  readonly dtype: FloatDType;
  /** Those the device was opened with. */
  readonly threads: number;
  /** For all three; each takes some pieces of 20 ms at least. */
  readonly seconds: number;
  /** Stops it between pieces. */
  readonly signal?: AbortSignal;
  /** Smaller ones for a simulator. @internal */
  readonly sizes?: Partial<Sizes>;
}

/**
 * What the device does at most, in loops that do nothing else: multiply-adds, a copy past the caches, launches. The best of
 * many pieces, so that other work on the machine lowers it least. Runs in Node and in a page. Throws where a loop did not
 * compute what it should, and the signal's reason between pieces.
 */
export async function measureCeilings(device: Device, options: CeilingOptions): Promise<Ceiling> {
  const { dtype, threads, signal } = options;
  const sizes = { ...sizesFor(device, threads), ...options.sizes };
  const each = { seconds: options.seconds / 3, signal };
  try {
    return {
      device: device.name,
      dtype,
      threads,
      flopsPerSecond:
        device.name === "cuda" && dtype !== "f32"
          ? await matrixRate(device, dtype, sizes.tiles, each)
          : await multiplyAddRate(device, sizes.sums, each),
      copyBytesPerSecond: await copyRate(device, sizes.copied, each),
      launchSeconds: await launchSeconds(device, each),
    };
  } finally {
    device.pool.trim();
  }
}

/** The faster of two measurements, and how far they are apart. */
export function fasterOf(before: Ceiling, after: Ceiling): Ceiling {
  const rates = ["flopsPerSecond", "copyBytesPerSecond"] as const;
  const most = (rate: (typeof rates)[number]) => Math.max(before[rate], after[rate]);
  return {
    ...before,
    flopsPerSecond: most("flopsPerSecond"),
    copyBytesPerSecond: most("copyBytesPerSecond"),
    launchSeconds: Math.min(before.launchSeconds, after.launchSeconds),
    drift: Math.max(...rates.map((rate) => 1 - Math.min(before[rate], after[rate]) / most(rate))),
  };
}

/** Beyond it the machine's own speed changed so much that a share of the limit is no more than a guess. */
const UNSTEADY = 0.1;

/** Whether the machine was another one after the rows than before them. */
export const isUnsteady = ({ drift }: Ceiling): boolean => drift !== undefined && drift > UNSTEADY;
