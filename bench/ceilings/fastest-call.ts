import type { Device } from "../../engine/index.js";

/** Shorter ones are mostly clock and wake-up. */
const PIECE_SECONDS = 0.02;
const MIN_PIECES = 3;
/** A launch that waits holds memory of the host. */
const MAX_CALLS = 10_000;

export interface Limits {
  readonly seconds: number;
  readonly signal?: AbortSignal;
}

/**
 * Seconds of one of several calls back to back, in the fastest of the pieces that fit into `limits.seconds` (at least three).
 * `clock`: the device's own where it has one, which leaves out the way there and back, or the host's.
 */
export async function fastestCall(
  device: Device,
  call: () => void,
  { seconds, signal }: Limits,
  clock: "device" | "host" = "device",
): Promise<number> {
  const time = clock === "device" && device.canProfile ? deviceSeconds : hostSeconds;
  await hostSeconds(device, call, 1);
  let best = Number.POSITIVE_INFINITY;
  const deadline = performance.now() + 1000 * seconds;
  for (let calls = 1, pieces = 0; pieces < MIN_PIECES || performance.now() < deadline; ) {
    signal?.throwIfAborted();
    const taken = await time(device, call, calls);
    if (taken >= PIECE_SECONDS || calls === MAX_CALLS) {
      best = Math.min(best, taken / calls);
      pieces++;
    } else {
      const wanted = Math.ceil((1.25 * calls * PIECE_SECONDS) / Math.max(taken, PIECE_SECONDS / 16));
      calls = Math.min(MAX_CALLS, Math.max(calls + 1, wanted));
    }
  }
  return best;
}

async function hostSeconds(device: Device, call: () => void, calls: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < calls; i++) call();
  await device.finish();
  return (performance.now() - start) / 1000;
}

async function deviceSeconds(device: Device, call: () => void, calls: number): Promise<number> {
  const timings = await device.profile(() => {
    for (let i = 0; i < calls; i++) call();
  });
  return timings.reduce((sum, { ms }) => sum + ms, 0) / 1000;
}
