import { autocastType, inRegion } from "./autocast.js";
import { GradientError } from "./errors.js";
import { probe, record, recording, recordingHistory } from "./recording.js";
import { scope } from "./scope.js";
import { sameShape } from "./shape.js";
import { attach, Node, sharing } from "./tape.js";
import { Tensor, view } from "./tensor.js";

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

  const versions = inputs.map((t) => t.storage.version);
  for (const t of inputs) t.storage.retain();
  const again = (): Tensor => {
    const now = device.randomState;
    device.restoreRandom(random);
    try {
      const recompute = () => withHistory(f(...(inputs.map(restore) as unknown as I)));
      const result = record(() => scope(() => inRegion(type, recompute)));
      if (sameShape(result.shape, y.shape)) return result;
      throw new GradientError(
        `checkpoint: the function gave ${y} first and ${result} in the backward pass. It must compute the same again.`,
      );
    } finally {
      device.restoreRandom(now);
    }
  };
  const restore = (t: Tensor, i: number): Tensor => {
    if (t.storage.version !== versions[i])
      throw new GradientError(
        `checkpoint: input ${i}, ${t}, was changed in place after it was saved for the backward pass. Change a copy instead.`,
      );
    return t.disposed ? sharing(t, node.sources[i]) : t;
  };
  const node: Node = new Node("checkpoint", inputs, 1, again, () => {
    for (const t of inputs) t.storage.release();
  });
  attach(node, [y]);
  return y;
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
const withHistory = (y: Tensor) => (checked(y).requiresGrad ? y : sharing(y));
