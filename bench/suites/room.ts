import type { Device } from "../../engine/index.js";
import { si } from "../report/quantities.js";
import type { Task } from "../task.js";

/** What a device has room for. */
export interface Room {
  /** Bytes of all that is there at once. */
  readonly bytes: number;
  /** Bytes of one tensor. */
  readonly tensorBytes: number;
  /** Whether inputs on the host are among `bytes`: a GPU that is told its own memory has the host's besides. */
  readonly withHost: boolean;
}

export const ENDLESS: Room = {
  bytes: Number.POSITIVE_INFINITY,
  tensorBytes: Number.POSITIVE_INFINITY,
  withHost: true,
};

export const roomOf = (device: Device): Room => ({
  bytes: device.memory().budget,
  // A tensor that exceeds one binding, not a buffer, may run in parts: the engine tells when it comes to it.
  tensorBytes: device.binding.maxAllocation ?? Number.POSITIVE_INFINITY,
  withHost: device.name !== "cuda",
});

/** Why the task does not fit; null where it does, or nobody knows what it needs. */
export function tooLarge({ needs }: Pick<Task, "needs">, room: Room): string | null {
  if (!needs) return null;
  if (needs.tensorBytes > room.tensorBytes)
    return `a tensor of ${size(needs.tensorBytes)}; a buffer of this device has ${size(room.tensorBytes)} at most`;
  const bytes = needs.bytes + (room.withHost ? needs.hostBytes : 0);
  return bytes > room.bytes ? `it needs some ${size(bytes)} of memory; ${size(room.bytes)} are there` : null;
}

const size = (bytes: number) => si(bytes, "B");
