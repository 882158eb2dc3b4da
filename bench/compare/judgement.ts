import { OptionError } from "../../engine/index.js";
import type { Comparison } from "./compare-documents.js";
import { widened } from "./ratio.js";
import type { RowComparison } from "./row-comparison.js";

/** What a limit makes of a comparison. */
export interface Judgement {
  /** Slower beyond noise, and below the limit. */
  readonly slower: readonly RowComparison[];
  /** What may be below it for all that is known: too noisy to tell, or without samples. */
  readonly undecided: readonly RowComparison[];
  /** The others. */
  readonly passed: readonly RowComparison[];
}

/**
 * Rows by whether their ratio, old by new, is under `below`: 0.95 lets a row take up to 5 % longer. Throws OptionError where
 * `below` is not in (0, 1], and where no row is in both documents, since a check of nothing has not passed.
 */
export function judge({ rows }: Comparison, below: number): Judgement {
  if (!(below > 0 && below <= 1))
    throw new OptionError(`--fail-below takes a ratio above 0 and at most 1, such as 0.95, not ${below}.`);
  if (rows.length === 0)
    throw new OptionError(
      "--fail-below: no row is in both documents. Measure the same suite, shapes, device and threads.",
    );
  const outcomes = rows.map((row) => outcomeOf(row, below, rows.length));
  const having = (outcome: keyof Judgement) => rows.filter((_, i) => outcomes[i] === outcome);
  return { slower: having("slower"), undecided: having("undecided"), passed: having("passed") };
}

function outcomeOf({ verdict, ratio, interval }: RowComparison, below: number, rows: number): keyof Judgement {
  if (verdict === "slower") return ratio < below ? "slower" : "passed";
  if (verdict !== "unclear" && verdict !== "no samples") return "passed";
  // However noisy: all that the ratio may be is above the limit.
  return interval && widened({ ratio, interval }, rows)[0] >= below ? "passed" : "undecided";
}

/** Whether the limit is kept. Where nothing could be judged it is not; nor with `strict`, where some row could not. */
export const hasPassed = ({ slower, undecided, passed }: Judgement, { strict = false } = {}): boolean =>
  slower.length === 0 && (strict ? undecided.length === 0 : passed.length > 0);
