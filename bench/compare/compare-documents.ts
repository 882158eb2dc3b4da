import type { BenchDocument, BenchRow } from "../document.js";
import { type Difference, differencesOf } from "./differences.js";
import { pairsOf } from "./pairs.js";
import { compareRows, type RowComparison } from "./row-comparison.js";

/** Two documents beside each other. */
export interface Comparison {
  /** Rows of the same work, in the new document's order. */
  readonly rows: readonly RowComparison[];
  /** What else differs and may be why a row moved. */
  readonly differences: readonly Difference[];
  /** Rows that the new document has not. */
  readonly onlyOld: readonly BenchRow[];
  /** Rows that the old document has not. */
  readonly onlyNew: readonly BenchRow[];
}

/**
 * What moved between two runs beyond noise. Rows are paired by suite, op, pass, shape, routing, dtype, device and threads; what
 * was measured on another machine is compared as well, and `differences` say so.
 */
export function compareDocuments(old: BenchDocument, now: BenchDocument): Comparison {
  const { both, onlyOld, onlyNew } = pairsOf(old, now);
  const rows = both.map(([before, after]) => compareRows(before, after, both.length));
  return { rows, differences: differencesOf(old, now), onlyOld, onlyNew };
}
