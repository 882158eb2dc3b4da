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

/**
 * The grouped rows of x by the weights of E experts: T gather, or T where x has them already (gather null). Throws where `lists` is
 * neither the whole record of so many nor, where nothing is gathered, the offsets alone.
 */
export function groupedRows(
  op: string,
  { x, weight, lists }: { x: Tensor; weight: Tensor; lists: Tensor },
  gather: number | null,
): number {
  if (gather !== null && (!Number.isInteger(gather) || gather < 1))
    throw new OptionError(
      `${op}: gather ${gather} must be a whole number from 1 on, the topK of topKRouting; or null, where x has a row for each choice.`,
    );
  const [E] = weight.shape;
  const R = x.shape[0] * (gather ?? 1);
  const L = listPlaces(E, R).length;
  if (lists.size !== L && (gather !== null || lists.size !== E + 1))
    throw new ShapeError(
      `${op}: ${describe("lists", lists.shape)} is no routing of ${R} choices to the ${E} experts of ` +
        `${describe("weight", weight.shape)}: those have ${L} elements${gather === null ? `, offsets alone ${E + 1}` : ""}.`,
    );
  return R;
}

/** x must have a row for each choice. */
export function checkRows(op: string, x: Tensor, R: number): void {
  if (x.shape[0] !== R)
    throw new ShapeError(`${op}: ${describe("x", x.shape)} must have the ${R} grouped rows that lists tells of.`);
}
