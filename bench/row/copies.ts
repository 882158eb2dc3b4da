import type { Device } from "../../engine/index.js";
import { isGpu, lastCaches } from "../ceilings/sizes.js";
import type { Prepared, Task } from "../task.js";

const MIB = 2 ** 20;
/** The second level of most GPUs, which WebGPU does not tell, and the last caches of a laptop, where nobody does. */
const GPU_CACHE = 64 * MIB;
const UNKNOWN_CACHE = 32 * MIB;
/** By how much copies exceed it: what is dropped first is what is read next. */
const BEYOND = 1.25;
/** Those of small inputs fill the nearer caches, and stay in the last one. */
const MOST = 32;
/** Of the memory that a task leaves, all copies of all contenders take this share at most. */
const SHARE = 0.5;

/**
 * Sets of inputs that calls take in turn, so that one round through them exceeds the last cache of the device: as many of ours as
 * of each of the `others`, which are on the same machine. Fewer where memory is short; one where a call changes its inputs.
 */
export function copiesFor(
  device: Device,
  { needs }: Pick<Task, "needs">,
  { inputBytes }: Prepared,
  others = 0,
): number {
  if (!inputBytes) return 1;
  const { live, budget } = device.memory();
  const needed = needs ? needs.bytes + (device.name === "cuda" ? 0 : needs.hostBytes) : 0;
  const room = (SHARE * (budget - Math.max(live, needed))) / (1 + others);
  return copiesOf(inputBytes, cacheOf(device), room);
}

function cacheOf(device: Device): number {
  if (isGpu(device)) return device.binding.cacheBytes || GPU_CACHE;
  return lastCaches() || UNKNOWN_CACHE;
}

/** Of inputs of some bytes, so many that they exceed a cache; the first is there already, the others need `room`. */
export function copiesOf(bytes: number, cache: number, room: number): number {
  const wanted = Math.min(MOST, Math.ceil((BEYOND * cache) / bytes));
  return Math.max(1, Math.min(wanted, 1 + Math.floor(room / bytes)));
}
