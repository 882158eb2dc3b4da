/**
 * Rest for a core that a software adapter computes on. Dawn under Node asks for finished work in every turn of the event
 * loop, so that the thread of JavaScript never rests while work is pending, and on few cores takes one of them from the driver:
 * on two, 512³ products took 20 ms instead of 9. While anything is waited for, each turn sleeps a little. Where there are no
 * such turns (a page), nothing is done.
 */
const SLEEP_MS = 0.2;
const turn = (globalThis as { setImmediate?: (f: () => void) => void }).setImmediate;
const nobody = turn && typeof SharedArrayBuffer === "function" ? new Int32Array(new SharedArrayBuffer(4)) : null;
let waited = 0;
let turning = false;

/** The same promise; turns of the event loop are slower until it is settled. */
export async function resting<R>(work: Promise<R>): Promise<R> {
  if (!turn || !nobody) return work;
  waited++;
  if (!turning) turn(sleep);
  turning = true;
  try {
    return await work;
  } finally {
    waited--;
  }
}

function sleep(): void {
  turning = waited > 0;
  if (!turning || !turn || !nobody) return;
  try {
    Atomics.wait(nobody, 0, 0, SLEEP_MS);
  } catch {
    return; // a thread that may not sleep, such as a window's in Electron
  }
  turn(sleep);
}
