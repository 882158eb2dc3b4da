import { expect } from "vitest";
import { disagreement } from "../../engine/check/compare.js";

/** Fails with the worst element where `disagreement` finds one. */
export function expectClose(
  title: string,
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  const text = disagreement(title, got, expected, tolerance);
  if (text) expect.fail(text);
}
