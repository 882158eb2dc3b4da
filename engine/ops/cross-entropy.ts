import * as kernels from "../../kernels/cross-entropy/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float, int } from "../dispatch/op-schema.js";
import { describe, OptionError, ShapeError } from "../errors.js";
import { sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";

/** What becomes of the losses: one each, their sum, or their mean. */
export type Reduction = "none" | "sum" | "mean";

/** What counts in `crossEntropy`, and how. */
export interface CrossEntropyOptions {
  /** Targets of this value count neither in the loss nor in its mean. Default -100. */
  ignoreIndex?: number;
  /** ε: the target's weight is 1 - ε, and ε is spread evenly over all classes. Default 0. */
  labelSmoothing?: number;
  /** Default "mean": over the targets that are not ignored. */
  reduction?: Reduction;
}

export const crossEntropyOp = defineOp({
  name: "crossEntropy",
  autocast: "f32",
  inputs: { logits: float("...", "V"), target: int("...") },

  forward({ logits, target }, options: Required<CrossEntropyOptions>, { dims: { V }, run }) {
    check(logits, target, options);
    const { reduction } = options;
    const T = target.size;
    const sizes = { T, V, ignoreIndex: options.ignoreIndex >>> 0, smoothing: options.labelSmoothing };
    const lossShape = reduction === "none" ? target.shape : [T];
    const { loss, maximum, logSum } = run(
      kernels.forward,
      { logits, target, loss: lossShape, maximum: [T], logSum: [T] },
      sizes,
    );
    const reduced =
      reduction === "none"
        ? null
        : run(
            kernels.reduce,
            { loss, target, y: [], scale: [1] },
            { T, ignoreIndex: sizes.ignoreIndex, mean: reduction === "mean" ? 1 : 0 },
          );
    if (reduced) loss.dispose();
    return {
      y: reduced ? reduced.y : loss,
      saves: { logits, target, maximum, logSum, scale: reduced?.scale ?? null },
      kept: { sizes, logits },
    };
  },

  gradient({ logits, ...saved }, dy, { kept, options, run }) {
    const params = { ...kept.sizes, perToken: options.reduction === "none" ? 1 : 0 };
    // Disposed by its owner, the logits have two holders left: what the tape saved and `logits` here.
    if (kept.logits.disposed && logits.storage.refs === 2)
      return { logits: run(kernels.backwardInPlace, { dy, logits, ...saved }, params).logits };
    return { logits: run(kernels.backward, { dy, logits, ...saved, dlogits: logits.shape }, params).dlogits };
  },
});

/**
 * -log softmax(logits)[target], in f32: of each target ("none"), summed, or averaged over the targets that are not
 * `ignoreIndex` (0 where there are none). With label smoothing ε: (1 - ε)(-log p[target]) + ε mean over classes of -log p.
 *
 * logits [..., V], target [...] i32; a target outside [0, V) that is not ignored is a FaultError at the next await.
 * Logits that are disposed before `backward` (and that nothing else holds) give their memory to their gradient, which
 * halves what a large vocabulary needs. Szegedy et al., arXiv 1512.00567 (smoothing).
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { ignoreIndex = -100, labelSmoothing = 0, reduction = "mean" } = options;
  return crossEntropyOp({ logits, target }, { ignoreIndex, labelSmoothing, reduction });
}

function check(
  logits: Tensor,
  target: Tensor,
  { ignoreIndex, labelSmoothing, reduction }: Required<CrossEntropyOptions>,
) {
  if (!sameShape(logits.shape.slice(0, -1), target.shape))
    throw new ShapeError(
      `crossEntropy: ${describe("logits", logits.shape)} and ${describe("target", target.shape)} do not fit: ` +
        "target must have the shape of logits without the last dimension.",
    );
  if ((ignoreIndex | 0) !== ignoreIndex)
    throw new OptionError(`crossEntropy: ignoreIndex ${ignoreIndex} is not a 32-bit integer.`);
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new OptionError(`crossEntropy: labelSmoothing ${labelSmoothing} must be between 0 and 1.`);
  if (reduction !== "none" && reduction !== "sum" && reduction !== "mean")
    throw new OptionError(`crossEntropy: unknown reduction "${reduction}". Known: none, sum, mean.`);
}
