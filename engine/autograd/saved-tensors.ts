import { describe, GradientError } from "../errors.js";
import { type Tensor, type Values, valuesOf, view } from "../tensor.js";

/**
 * What an op saved for its gradient, by name: memory, held. Not the tensors, of which the op's own output may be one: the
 * tape would hold it, and nobody could lose it.
 */
export type SavedTensors = Readonly<Record<string, Saved | null>>;

interface Saved {
  readonly values: Values;
  readonly version: number;
}

/** Holds the memory of `tensors` until `release`. */
export function save(tensors: Readonly<Record<string, Tensor | null>> | undefined): SavedTensors {
  const saved: Record<string, Saved | null> = {};
  for (const name in tensors) {
    const tensor = tensors[name];
    if (tensor) tensor.storage.retain();
    saved[name] = tensor && { values: valuesOf(tensor), version: tensor.storage.version };
  }
  return saved;
}

/**
 * The saved tensors under handles of their own, so that the user's may be gone and a rule may hand one on. Throws
 * GradientError where one was changed in place since.
 */
export function restore(op: string, saved: SavedTensors): Record<string, Tensor | null> {
  const tensors: Record<string, Tensor | null> = {};
  for (const name in saved) {
    const entry = saved[name];
    if (entry && entry.values.storage.version !== entry.version)
      throw new GradientError(
        `${op}: ${describe(name, entry.values.shape)} was changed in place after it was saved for the backward pass. Change a copy instead.`,
      );
    tensors[name] = entry && view(entry.values, entry.values.shape);
  }
  return tensors;
}

/** Lets go of the memory. */
export function release(saved: SavedTensors): void {
  for (const name in saved) saved[name]?.values.storage.release();
}
