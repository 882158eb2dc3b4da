import { recordingHistory } from "../autograd/recording.js";
import { attach, Node } from "../autograd/tape.js";
import { ShapeError } from "../errors.js";
import { checkShape, dimIndex, type Shape, sameShape, sizeOf } from "../shape.js";
import { type Tensor, view } from "../tensor.js";

/** `view`, recorded: nothing is launched forward or backward. */
function recordedView(x: Tensor, shape: Shape): Tensor {
  const y = view(x, shape);
  if (!x.tracked || !recordingHistory()) return y;
  const before = x.shape;
  attach(new Node("reshape", [x], 1, { gradients: ([dy]) => [dy && view(dy, before)] }), [y]);
  return y;
}

/**
 * The same elements in the same order under another shape; one size may be -1, which follows from the others. Shares the
 * memory of x: a change in place shows in both.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  x.check("reshape");
  return recordedView(x, inferred(x, shape));
}

function inferred(x: Tensor, shape: Shape): Shape {
  const unknown = shape.indexOf(-1);
  const known = checkShape("reshape", unknown < 0 ? shape : shape.filter((_, i) => i !== unknown));
  const size = sizeOf(known);
  if (unknown < 0 ? size === x.size : size > 0 && x.size % size === 0)
    return unknown < 0 ? [...shape] : shape.map((d, i) => (i === unknown ? x.size / size : d));
  throw new ShapeError(
    `reshape: ${x.size} elements of shape [${x.shape.join(", ")}] do not fill shape [${shape.join(", ")}].`,
  );
}

/** Dimensions `start` to `end`, both included, become one. */
export function flatten(x: Tensor, options: { start?: number; end?: number } = {}): Tensor {
  x.check("flatten");
  if (x.rank === 0) return recordedView(x, [1]);
  const start = dimIndex("flatten", options.start ?? 0, x.rank);
  const end = dimIndex("flatten", options.end ?? -1, x.rank);
  if (start > end) throw new ShapeError(`flatten: start ${start} is after end ${end}.`);
  const { shape } = x;
  return recordedView(x, [...shape.slice(0, start), sizeOf(shape.slice(start, end + 1)), ...shape.slice(end + 1)]);
}

/** Without dimension `dim`, which must be 1. */
export function squeeze(x: Tensor, dim: number): Tensor {
  x.check("squeeze");
  const d = dimIndex("squeeze", dim, x.rank);
  if (x.shape[d] !== 1) throw new ShapeError(`squeeze: dim ${dim} of [${x.shape.join(", ")}] is ${x.shape[d]}, not 1.`);
  return recordedView(x, x.shape.toSpliced(d, 1));
}

/** With a dimension of size 1 at `dim` of the result. */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  x.check("unsqueeze");
  return recordedView(x, x.shape.toSpliced(dimIndex("unsqueeze", dim, x.rank + 1), 0, 1));
}

/** `t` under `shape`: itself where that is its own. For gradient rules, whose results may be their input. */
export function viewAs(t: Tensor, shape: Shape): Tensor {
  return sameShape(t.shape, shape) ? t : view(t, shape);
}
