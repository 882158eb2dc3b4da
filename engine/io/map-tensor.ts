import type { Tensor } from "../tensor.js";
import { checkSizes, STORED } from "./fill-tensor.js";
import { rangesOf, type StoredTensor } from "./stored-tensor.js";

/** A mapping takes pages of its own and a place in a table of the system's, which has some ten thousand: less is copied. */
const SMALLEST_BYTES = 1 << 16;

/**
 * Makes stored tensors, one after the other, the memory of `t` without a copy. Returns whether it did so: not on devices other
 * than cpu, for values of another type or of few bytes, where they lie so that pages cannot follow each other (`Binding.map`),
 * where files are not the system's own, and where a view, the tape or a captured step holds the memory that `t` has.
 */
export function mapTensor(t: Tensor, parts: readonly StoredTensor[]): boolean {
  checkSizes("mapTensor", t, parts);
  const bytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const ranges = rangesOf(parts);
  if (!ranges || bytes < SMALLEST_BYTES || parts.some(({ dtype }) => dtype !== STORED[t.dtype])) return false;
  return t.device.map(t.storage, ranges);
}
