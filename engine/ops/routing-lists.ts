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

/** Sizes of `lists`, which must be those of `tokens` tokens with `choices` choices each. */
export function routedSizes(op: string, lists: Tensor, tokens: number, choices: number): RoutedSizes {
  const R = tokens * choices;
  const E = (lists.size - 1 - 3 * R) / 2;
  if (!(Number.isInteger(E) && E > 0) || listPlaces(E, R).length !== lists.size)
    throw new ShapeError(
      `${op}: ${describe("lists", lists.shape)} is no routing of ${tokens} tokens with ${choices} choices each: those have ` +
        `2 experts + 1 + 3 · ${R} elements. Use the lists that topKRouting gave for these tokens.`,
    );
  return { T: tokens, E, K: choices, R, L: lists.size };
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
