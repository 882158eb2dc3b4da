import type { Device } from "../device/device.js";
import { autocastType, inRegion } from "../dispatch/autocast.js";
import { isFloat } from "../dtype.js";
import { GradientError } from "../errors.js";
import { type ScopeResult, scope } from "../scope.js";
import { type Shape, sameShape } from "../shape.js";
import { Tensor, type Values, valuesOf, view } from "../tensor.js";
import { probe, record, recording, recordingHistory } from "./recording.js";
import { attach, type Edge, edgeOf, Node, Recomputed, sharing } from "./tape.js";

/**
 * f(...inputs), whose intermediate results are not kept but computed again in the backward pass: memory for time. Chen et
 * al.: Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174.
 *
 * The same bits as without, forward and backward, random numbers included, and in the types of the `autocast` around it;
 * `f` may use parameters and other tensors that it closes over. It returns a tensor, or arrays and plain objects of tensors.
 * It must compute the same when it is called again, so it may not change anything in place. Throws TypeError where it
 * returns no tensor at all.
 */
export function checkpoint<I extends readonly [Tensor, ...Tensor[]], Y extends object>(
  f: (...inputs: I) => ScopeResult<Y>,
  ...inputs: I
): Y {
  if (!recording()) return checked(f(...inputs)) as Y;
  const [{ device }] = inputs;
  const random = device.randomState;
  const type = autocastType();
  const { result, history } = probe(() => scope(() => mapped(checked(f(...inputs)), withoutHistory) as ScopeResult<Y>));
  const ys = floats(result);
  if (!history) return result as Y;
  const [given, expected] = [inputs.map(givenOf), ys.map((y) => ({ shape: y.shape, text: String(y) }))];
  attach(recomputing(f, given, inputs, expected, { device, random, type }), ys);
  return result as Y;
}

/** An input, without its tensor where that is no leaf, so that the collector may take what its owner lost. */
interface Given {
  readonly values: Values;
  readonly edge: Edge;
  readonly version: number;
  readonly text: string;
}

const givenOf = (t: Tensor): Given => ({
  values: valuesOf(t),
  edge: edgeOf(t),
  version: t.storage.version,
  text: String(t),
});

interface Circumstances {
  readonly device: Device;
  readonly random: Device["randomState"];
  readonly type: ReturnType<typeof autocastType>;
}

function recomputing<I extends readonly Tensor[]>(
  f: (...inputs: I) => unknown,
  given: readonly Given[],
  inputs: I,
  expected: readonly { readonly shape: Shape; readonly text: string }[],
  { device, random, type }: Circumstances,
): Node {
  const again = (): Recomputed => {
    const now = device.randomState;
    device.restoreRandom(random);
    try {
      const recompute = () => floats(f(...(given.map(restore) as unknown as I))).map(withHistory);
      const results = record(() => scope(() => inRegion(type, recompute)));
      const odd = expected.findIndex(({ shape }, i) => !results[i] || !sameShape(results[i].shape, shape));
      if (odd < 0 && results.length === expected.length) return new Recomputed(results);
      throw new GradientError(
        `checkpoint: the function gave ${expected[odd]?.text ?? "nothing"} first and ${results[odd] ?? "nothing"} in the backward pass. It must compute the same again.`,
      );
    } finally {
      device.restoreRandom(now);
    }
  };
  for (const { values } of given) values.storage.retain();
  return new Node("checkpoint", inputs, expected.length, {
    gradients: again,
    free() {
      for (const { values } of given) values.storage.release();
    },
  });
}

/** A leaf is known by its handle. */
function restore({ values, edge, version, text }: Given, i: number): Tensor {
  if (values.storage.version !== version)
    throw new GradientError(
      `checkpoint: input ${i}, ${text}, was changed in place after it was saved for the backward pass. Change a copy instead.`,
    );
  return edge.leaf && !edge.leaf.disposed ? edge.leaf : sharing(values, edge);
}

/** The tensors of a result that gradients go through, in order. */
function floats(result: unknown): Tensor[] {
  const found: Tensor[] = [];
  mapped(result, (y) => {
    if (isFloat(y.dtype)) found.push(y);
    return y;
  });
  return found;
}

/** The same arrays and plain objects with other tensors in the places of theirs. One that stands in two stays one. */
function mapped(value: unknown, f: (y: Tensor) => Tensor, seen: Map<Tensor, Tensor> = new Map()): unknown {
  if (value instanceof Tensor) {
    const known = seen.get(value) ?? f(value);
    seen.set(value, known);
    return known;
  }
  if (Array.isArray(value)) return value.map((v) => mapped(v, f, seen));
  if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, v]) => [name, mapped(v, f, seen)]));
}

function checked<Y>(result: Y): Y {
  let some = false;
  mapped(result, (y) => {
    some = true;
    return y;
  });
  if (some) return result;
  throw new TypeError(`checkpoint: the function returned ${result === null ? "null" : typeof result}, not a Tensor.`);
}

// Handles of their own, since the function may return what it was given.
const withoutHistory = (y: Tensor) => {
  if (y.tracked) recordingHistory();
  return view(y, y.shape);
};
/** A leaf is known by its handle, and stays. */
const withHistory = (y: Tensor) => (y.requiresGrad ? y : sharing(y, edgeOf(y)));
