import type { Contender } from "../task.js";
import { warmUp } from "./warm-up.js";

/** Pieces shorter than this are mostly clock and wake-up; on a GPU, the first launches besides, which it waits for. */
const PIECE_SECONDS = 0.02;
/**
 * Thread pools of peers spin this long after their last piece: onnxruntime's some 30 ms, in this very process. With 20 ms
 * a product of 512³ on two threads came out at half its speed.
 */
const SETTLE_MS = 60;
/** From here on a call is long enough that cold caches do not show. */
const LONG_CALL_SECONDS = 0.1;
/** Fewer tell nothing: five is the least for the test in statistics/mann-whitney.ts. */
const MIN_ROUNDS = 5;
/** And no contender has fewer calls than this in all, unless they take this long. */
const MIN_CALLS = 50;
const MIN_SECONDS = 0.2;
const MAX_ROUNDS = 100;

const sleep = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms));

export interface Samples {
  /** Seconds of one call, by round. */
  readonly seconds: number[];
  /** Of the processor; empty where nobody can tell. */
  readonly cpuSeconds: number[];
  readonly calls: number;
  /** Why it stopped being timed; its samples do not count then. */
  failure: string | null;
}

/**
 * Times contenders in turn, a piece each, round after round until `seconds` are over, warm-up included, so that what the machine
 * does meanwhile hits all of them alike. At least five rounds, and until each has 50 calls or 0.2 seconds in all. Every second
 * round runs in reverse order. The first contender must not fail; another that does is left out from then on. Throws the
 * signal's reason between rounds.
 */
export async function interleave(
  contenders: readonly Contender[],
  { seconds, calls, signal }: { seconds: number; calls?: number; signal?: AbortSignal },
): Promise<Samples[]> {
  const deadline = performance.now() + 1000 * seconds;
  const callsOf = (length: number) => calls ?? Math.max(1, Math.ceil(PIECE_SECONDS / Math.max(length, 1e-6)));
  const samples: Samples[] = [];
  const lengths: number[] = [];
  for (const [i, contender] of contenders.entries()) {
    signal?.throwIfAborted();
    const length = await guarded(i, () => warmUp(contender, callsOf, seconds / contenders.length));
    const failure = typeof length === "number" ? null : length.reason;
    lengths.push(typeof length === "number" ? length : Number.POSITIVE_INFINITY);
    samples.push({ seconds: [], cpuSeconds: [], calls: callsOf(lengths[i]), failure });
  }
  const order = contenders.map((_, i) => i);
  const over = (round: number) => round >= MIN_ROUNDS && performance.now() >= deadline && samples.every(suffices);
  for (let round = 0; round < MAX_ROUNDS && !over(round); round++) {
    signal?.throwIfAborted();
    for (const i of round % 2 ? [...order].reverse() : order) {
      const found = samples[i];
      if (found.failure !== null) continue;
      if (contenders.length > 1) await sleep(SETTLE_MS);
      const taken = await guarded(i, async () => {
        if (contenders.length > 1 && lengths[i] < LONG_CALL_SECONDS) await contenders[i].time(1);
        return contenders[i].time(found.calls);
      });
      if ("reason" in taken) {
        found.failure = taken.reason;
        continue;
      }
      found.seconds.push(taken.seconds / found.calls);
      if (taken.cpuSeconds !== null) found.cpuSeconds.push(taken.cpuSeconds / found.calls);
    }
  }
  return samples;
}

/** Enough was timed of it, or it is timed no more. */
function suffices({ seconds, calls, failure }: Samples): boolean {
  const timed = calls * seconds.reduce((sum, s) => sum + s, 0);
  return failure !== null || calls * seconds.length >= MIN_CALLS || timed >= MIN_SECONDS;
}

/** A turn of a trial takes about as long: what hands a call over, and what the clock can tell, are less than that by far. */
const TRIAL_SECONDS = 0.005;

/** Seconds of a call by contender, Infinity of one that failed, and why it did. */
interface Trial {
  readonly seconds: readonly number[];
  readonly failures: ReadonlyMap<number, string>;
}

/**
 * Seconds of a call of each of several contenders that compute the same, the least of three turns: by the clock on a `gpu`, on the
 * processor by its own time where that is known, which other work on the machine disturbs less. Throws where all fail. One alone
 * has no need of a trial, which is empty then.
 */
export async function trial(contenders: readonly Contender[], gpu = false): Promise<Trial> {
  const failures = new Map<number, string>();
  if (contenders.length < 2) return { seconds: [], failures };
  const seconds = contenders.map(() => Number.POSITIVE_INFINITY);
  const calls: number[] = [];
  /** All that have not failed, in turn. */
  const each = async (f: (contender: Contender, i: number) => Promise<void>) => {
    for (const [i, contender] of contenders.entries()) {
      if (!failures.has(i)) await f(contender, i).catch((error: Error) => void failures.set(i, error.message));
    }
  };
  await each(async (contender, i) => {
    await contender.time(1);
    calls[i] = Math.max(1, Math.min(100, Math.round(TRIAL_SECONDS / (await contender.time(1)).seconds)));
  });
  for (let turn = 0; turn < 3; turn++) {
    await each(async (contender, i) => {
      const taken = await contender.time(calls[i]);
      seconds[i] = Math.min(seconds[i], (gpu ? taken.seconds : (taken.cpuSeconds ?? taken.seconds)) / calls[i]);
    });
  }
  for (const i of failures.keys()) seconds[i] = Number.POSITIVE_INFINITY;
  if (failures.size === contenders.length) throw new Error([...new Set(failures.values())].join("; "));
  return { seconds, failures };
}

async function guarded<T>(i: number, f: () => Promise<T>): Promise<T | { reason: string }> {
  try {
    return await f();
  } catch (error) {
    if (i === 0) throw error;
    return { reason: (error as Error).message };
  }
}
