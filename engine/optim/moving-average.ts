import { step } from "../../kernels/sgd/kernels.js";
import { run } from "../dispatch/run.js";
import { DTypeError, describe, OptionError, ShapeError } from "../errors.js";
import { sameShape } from "../shape.js";
import { fromHost, type Tensor } from "../tensor.js";

/**
 * m = d m + (1 - d) p for each pair, in place: exponential moving averages of parameters, all f32. `decay` d is from 0 (a
 * copy) to 1 (nothing moves). Not recorded: an average asks for no gradient.
 */
export function movingAverage(pairs: Iterable<readonly [average: Tensor, value: Tensor]>, decay: number): void {
  if (!(decay >= 0 && decay <= 1)) throw new OptionError(`movingAverage: decay ${decay} is not from 0 to 1.`);
  let rate: Tensor | null = null;
  try {
    for (const [average, value] of pairs) {
      check(average, value);
      // A step of SGD on ½ ‖m - p‖² with rate 1 - d, both signs turned so that p stands where a gradient does.
      rate ??= fromHost(average.device, [decay - 1, 0, 0, 0], [4], "f32");
      const tensors = { parameter: average, gradient: value, velocity: null, schedule: rate, clip: null };
      const plain = { momentum: 0, nesterov: 0, hasVelocity: 0, hasClip: 0 };
      run(average.device, step, tensors, { n: average.size, weightDecay: -1, ...plain });
    }
  } finally {
    rate?.dispose();
  }
}

function check(average: Tensor, value: Tensor): void {
  average.check("movingAverage");
  value.check("movingAverage");
  if (!sameShape(average.shape, value.shape))
    throw new ShapeError(
      `movingAverage: ${describe("average", average.shape)} and ${describe("value", value.shape)} differ.`,
    );
  for (const t of [average, value])
    if (t.dtype !== "f32") throw new DTypeError(`movingAverage: ${t} is ${t.dtype}; averages and values are f32.`);
  if (average.requiresGrad)
    throw new OptionError(`movingAverage: ${average} asks for a gradient. Set requiresGrad of averages to false.`);
}
