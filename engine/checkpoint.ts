import { autocastType, inRegion } from "./autocast.js";
import type { Device } from "./device.js";
import { GradientError } from "./errors.js";
import { probe, record, recording, recordingHistory } from "./recording.js";
import { scope } from "./scope.js";
import { type Shape, sameShape } from "./shape.js";
import { attach, type Edge, edgeOf, Node, sharing } from "./tape.js";
import { Tensor, type Values, valuesOf, view } from "./tensor.js";

/**
 * f(...inputs), whose intermediate results are not kept but computed again in the backward pass: memory for time. Chen et
 * al.: Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174.
 *
 * The same bits as without, forward and backward, random numbers included, and in the types of the `autocast` around it;
 * `f` may use parameters and other tensors that it closes over. It must compute the same when it is called again, so it
 * may not change anything in place. Throws TypeError where it returns anything but one tensor.
 */
export function checkpoint<I extends readonly [Tensor, ...Tensor[]]>(
  f: (...inputs: I) => Tensor,
  ...inputs: I
): Tensor {
  if (!recording()) return checked(f(...inputs));
  const [{ device }] = inputs;
  const random = device.randomState;
  const type = autocastType();
  const { result: y, history } = probe(() => scope(() => withoutHistory(f(...inputs))));
  if (!history) return y;
  const [given, expected] = [inputs.map(givenOf), { shape: y.shape, text: String(y) }];
  attach(recomputing(f, given, inputs, expected, { device, random, type }), [y]);
  return y;
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
  f: (...inputs: I) => Tensor,
  given: readonly Given[],
  inputs: I,
  expected: { readonly shape: Shape; readonly text: string },
  { device, random, type }: Circumstances,
): Node {
  const again = (): Tensor => {
    const now = device.randomState;
    device.restoreRandom(random);
    try {
      const recompute = () => withHistory(f(...(given.map(restore) as unknown as I)));
      const result = record(() => scope(() => inRegion(type, recompute)));
      if (sameShape(result.shape, expected.shape)) return result;
      throw new GradientError(
        `checkpoint: the function gave ${expected.text} first and ${result} in the backward pass. It must compute the same again.`,
      );
    } finally {
      device.restoreRandom(now);
    }
  };
  for (const { values } of given) values.storage.retain();
  return new Node("checkpoint", inputs, 1, again, () => {
    for (const { values } of given) values.storage.release();
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

function checked(y: Tensor): Tensor {
  if (y instanceof Tensor) return y;
  throw new TypeError(`checkpoint: the function returned ${y === null ? "null" : typeof y}, not one Tensor.`);
}

// Handles of their own, since the function may return what it was given.
const withoutHistory = (y: Tensor) => {
  if (checked(y).tracked) recordingHistory();
  return view(y, y.shape);
};
/** A leaf is known by its handle, and stays. */
const withHistory = (y: Tensor) => (checked(y).requiresGrad ? y : sharing(y, edgeOf(y)));
