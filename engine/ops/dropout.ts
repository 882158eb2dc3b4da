import { forward } from "../../kernels/dropout/kernels.js";
import { defineOp, type ForwardContext } from "../dispatch/define-op.js";
import { float } from "../dispatch/op-schema.js";
import { OptionError } from "../errors.js";
import type { Tensor } from "../tensor.js";

interface DropoutOptions {
  rate: number;
}

/** Both ops are one pass; they differ in how many elements share a random number. */
function defineDropout<const Name extends string>(name: Name, spanOf: (x: Tensor) => number) {
  return defineOp({
    name,
    inputs: { x: float("...") },
    forward({ x }, { rate }: DropoutOptions, { device, run }: ForwardContext) {
      if (!(rate >= 0 && rate < 1)) throw new OptionError(`${name}: rate ${rate} is not in [0, 1).`);
      const params = { n: x.size, span: spanOf(x), rate, sequence: device.random.next() };
      return { y: run(forward, { x, y: x.shape }, params).y, kept: params };
    },
    gradient(_, dy, { kept, run }) {
      return { x: run(forward, { x: dy, y: dy.shape }, kept).y };
    },
  });
}

export const dropoutOp = defineDropout("dropout", () => 1);
export const dropPathOp = defineDropout("dropPath", (x) => Math.max(1, x.size / Math.max(1, x.shape[0] ?? 1)));

/** Each element is 0 with probability `rate`, else x / (1 - rate). The mask is regenerated in backward, not stored. */
export function dropout(x: Tensor, rate: number): Tensor {
  return rate === 0 ? x : dropoutOp({ x }, { rate });
}

/**
 * Stochastic depth: each sample (index of the first dimension) is 0 with probability `rate`, else x / (1 - rate).
 * Huang et al., arXiv 1603.09382.
 */
export function dropPath(x: Tensor, rate: number): Tensor {
  return rate === 0 ? x : dropPathOp({ x }, { rate });
}
