import { argmax, clamp, div, log, neg, noGrad, randLike, scope, type Tensor } from "../../../engine/index.js";

/** The least of what is drawn, so that no logarithm is that of 0, nor a quotient infinite. */
const LEAST = 2 ** -24;

/**
 * One column of each row of `weights` [B, N], drawn in proportion: the largest w / e with e from an exponential distribution,
 * which is what torch.multinomial does. i32 [B]. A weight of 0 is never drawn where another is above it.
 */
export function multinomial(weights: Tensor): Tensor {
  return noGrad(() =>
    scope(() => {
      const uniform = randLike(weights, { low: LEAST, high: 1 });
      const exponential = clamp(neg(log(uniform)), { min: LEAST });
      return argmax(div(weights, exponential));
    }),
  );
}
