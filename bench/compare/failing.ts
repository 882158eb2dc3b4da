import { OptionError } from "../../engine/index.js";
import type { Comparison } from "./compare-documents.js";
import type { RowComparison } from "./row-comparison.js";

/**
 * Rows that are slower beyond noise and whose ratio, old by new, is under `below`: 0.95 lets a row take up to 5 % longer. Throws
 * OptionError where `below` is not in (0, 1], and where nothing could be judged, since a check of nothing has not passed.
 */
export function failing({ rows }: Comparison, below: number): RowComparison[] {
  if (!(below > 0 && below <= 1))
    throw new OptionError(`--fail-below takes a ratio above 0 and at most 1, such as 0.95, not ${below}.`);
  if (rows.length === 0)
    throw new OptionError(
      "--fail-below: no row is in both documents. Measure the same suite, shapes, device and threads.",
    );
  if (rows.every(({ verdict }) => verdict === "no samples"))
    throw new OptionError(
      "--fail-below: no row has samples in both documents. Measure the old one anew with this version.",
    );
  return rows.filter(({ verdict, ratio }) => verdict === "slower" && ratio < below);
}
