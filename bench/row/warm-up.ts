import { quantile } from "../statistics/summary.js";
import type { Contender } from "../task.js";

/** Pieces in a row that must agree. */
const AGREEING = 3;
/** (largest - smallest) / smallest of them. */
const AGREEMENT = 0.05;
/**
 * Calls after which V8 has compiled what they run; until then its other threads work beside them. That shows in calls shorter
 * than this: a linear layer of 0.25 ms came out a tenth slower, and some pieces twice as slow.
 */
const COMPILED_AFTER = 2000;
const SHORT_CALL_SECONDS = 2e-3;
/** Seconds: not less, so that a GPU's clock comes up; not more, since beside other work nothing ever agrees. */
const SHORTEST = 0.3;
const LONGEST = 2;
/** At most this share of a row's time goes into it. */
const SHARE = 0.1;

/**
 * Runs pieces until the last three agree within 5 %, short calls 2,000 of them at least, or a tenth of the row's `seconds` is over
 * (0.3 to 2 s): first-touch memory, thread pools, compiled code, clocks. `callsOf` says how many calls of a length fill a piece;
 * the first is of one call. At least two pieces. Returns the seconds of a call after it.
 */
export async function warmUp(
  contender: Contender,
  callsOf: (callSeconds: number) => number,
  seconds: number,
): Promise<number> {
  const limit = Math.min(LONGEST, Math.max(SHORTEST, SHARE * seconds));
  const lengths: number[] = [];
  let calls = callsOf(Number.POSITIVE_INFINITY);
  for (let [spent, called] = [0, 0]; ; ) {
    const taken = await contender.time(calls);
    called += calls;
    // The first may compile for a minute, and says nothing of the others.
    if (lengths.length > 0) spent += taken.seconds;
    lengths.push(taken.seconds / calls);
    const last = lengths.slice(-AGREEING).sort((a, b) => a - b);
    const agree = last.length === AGREEING && last[AGREEING - 1] - last[0] <= AGREEMENT * last[0];
    const compiled = called >= COMPILED_AFTER || last[0] >= SHORT_CALL_SECONDS;
    if ((agree && compiled) || (lengths.length >= 2 && spent >= limit)) return quantile(last, agree ? 0.5 : 0);
    calls = callsOf(lengths[lengths.length - 1]);
  }
}
