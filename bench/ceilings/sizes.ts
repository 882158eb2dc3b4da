import type { Device } from "../../engine/index.js";
import { namesIn, textOf } from "../machine/system-files.js";

/** How much the loops work on. */
export interface Sizes {
  /** Sums that are added to side by side, in f32. */
  readonly sums: number;
  /** Tiles of matrix units. */
  readonly tiles: number;
  /** Elements of a copy, f32. */
  readonly copied: number;
}

const MIB = 2 ** 20;
/** Above the last cache of all GPUs of today. */
const COPIED_BYTES = 256 * MIB;

/** Enough to keep every thread busy, and a copy of four times the last caches, of an eighth of the memory at most. */
export function sizesFor(device: Device, threads: number): Sizes {
  const { budget } = device.memory();
  const { maxBinding = Number.POSITIVE_INFINITY } = device.binding.limits ?? {};
  const bytes = Math.min(Math.max(COPIED_BYTES, 4 * lastCaches()), budget / 8, maxBinding);
  return {
    sums: isGpu(device) ? 3 * 2 ** 20 : device.name === "reference" ? 384 : 6144 * threads,
    tiles: 4096,
    copied: device.name === "reference" ? MIB : Math.floor(bytes / 64) * 16,
  };
}

/** Its memory and caches are its own. */
export const isGpu = (device: Device): boolean =>
  device.name === "cuda" || (device.name === "webgpu" && device.binding.limits?.software === false);

/** Bytes of the processor's caches of the highest level, all of them together; 0 where the system does not tell (not Linux). */
export function lastCaches(): number {
  const root = "/sys/devices/system/cpu";
  // One that several cores share is listed by each of them.
  const found = new Map<string, { level: number; bytes: number }>();
  for (const cpu of namesIn(root).filter((name) => /^cpu\d+$/.test(name)))
    for (const index of namesIn(`${root}/${cpu}/cache`).filter((name) => /^index\d+$/.test(name))) {
      const text = (field: string) => textOf(`${root}/${cpu}/cache/${index}/${field}`).trim();
      const level = Number(text("level"));
      found.set(`${level}: ${text("shared_cpu_list")}`, { level, bytes: bytesOf(text("size")) });
    }
  const last = Math.max(...[...found.values()].map(({ level }) => level));
  return [...found.values()].filter(({ level }) => level === last).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** "32768K" */
function bytesOf(size: string): number {
  const [, number, unit = ""] = /^(\d+)([KMG]?)$/.exec(size) ?? [];
  return number ? Number(number) * 1024 ** " KMG".indexOf(unit || " ") : 0;
}
