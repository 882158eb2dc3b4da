import { listPlaces } from "../../kernels/top-k-routing/lists.js";
import { describe, OptionError, ShapeError } from "../errors.js";
import type { Tensor } from "../tensor.js";

/** Sizes of a routing record and what it was made from. */
export interface RoutedSizes {
  /** Tokens. */
  readonly T: number;
  /** Experts. */
  readonly E: number;
  /** Experts of a token. */
  readonly K: number;
  /** Grouped rows, those dropped included: T K. */
  readonly R: number;
  /** Elements of the record. */
  readonly L: number;
}

/** Sizes of `lists`, which must be those of T tokens with K choices among E experts each. */
export function routedSizes(op: string, lists: Tensor, T: number, K: number, E: number): RoutedSizes {
  const R = T * K;
  const L = listPlaces(E, R).length;
  if (lists.size !== L)
    throw new ShapeError(
      `${op}: ${describe("lists", lists.shape)} is no routing of ${T} tokens to ${K} of ${E} experts each: that has ${L} ` +
        "elements. Use what topKRouting found for these tokens.",
    );
  return { T, E, K, R, L };
}

/** Of an op that is told how many experts a token has. */
export function checkTopK(op: string, topK: number): void {
  if (!Number.isInteger(topK) || topK < 1)
    throw new OptionError(`${op}: topK ${topK} must be a whole number from 1 on: that of topKRouting.`);
}

/** x must have a row for each choice. */
export function checkRows(op: string, x: Tensor, R: number): void {
  if (x.shape[0] !== R)
    throw new ShapeError(`${op}: ${describe("x", x.shape)} must have the ${R} grouped rows that lists tells of.`);
}
