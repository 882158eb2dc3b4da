import { noGrad, reshape, scope, slice, type Tensor } from "../../../engine/index.js";
import type { Family } from "../folder/config.js";
import { storedParts } from "../folder/names.js";

/** A published tensor as part of one of ours: one of `count` equal parts, in order. */
export interface Part {
  readonly p: Tensor;
  readonly i: number;
  readonly count: number;
}

/** The parameters by their published names. */
export function publishedParts(named: Iterable<[string, Tensor]>, family: Family): Map<string, Part> {
  const parts = new Map<string, Part>();
  for (const [path, p] of named) {
    const own = storedParts(path, p.shape, family);
    for (const [i, { name }] of own.entries()) parts.set(name, { p, i, count: own.length });
  }
  return parts;
}

/** The part's values of `t`, which is the parameter or its gradient. */
export async function readPart(t: Tensor, { i, count }: Part): Promise<ArrayLike<number>> {
  if (count === 1) return t.data();
  using part = noGrad(() => scope(() => slice(reshape(t, [count, t.size / count]), { dim: 0, start: i, length: 1 })));
  return part.data();
}
