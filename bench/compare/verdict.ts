import { type Ratio, widened } from "./ratio.js";

/**
 * `faster` and `slower` of what moved; `same` where a change of 10 % would have shown; `unclear` where it might not have;
 * `no samples` where one side has no pieces to tell noise from, as documents of version 1.
 */
export type Verdict = "faster" | "slower" | "same" | "unclear" | "no samples";

/** What must show. */
const CHANGE = 1.1;

/**
 * Moved is what differs from 1 by more than `floor` in all of its interval, widened for the number of rows: of many rows that
 * did not change, some always look as if they had.
 */
export function verdictOf(found: Ratio, floor: number, rows: number): Verdict {
  const [low, high] = widened(found, rows);
  if (low > 1 + floor) return "faster";
  if (high < 1 / (1 + floor)) return "slower";
  const shows = (changed: number) => changed > 1 + floor;
  return shows((CHANGE * low) / found.ratio) && shows((CHANGE * found.ratio) / high) ? "same" : "unclear";
}
