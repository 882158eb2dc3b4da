import * as kernels from "../../kernels/token-permute/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float, float32, int } from "../dispatch/op-schema.js";
import type { Tensor } from "../tensor.js";
import { checkRows, routedSizes } from "./routing-lists.js";
import type { Routed } from "./top-k-routing.js";

export const dispatchTokensOp = defineOp({
  name: "dispatchTokens",
  inputs: { x: float("T", "C"), lists: int("L") },

  forward({ x, lists }, { topK, experts }: { topK: number; experts: number }, { dims: { T, C }, run }) {
    const sizes = { ...routedSizes("dispatchTokens", lists, T, topK, experts), C };
    return { y: run(kernels.dispatch, { x, lists, y: [sizes.R, C] }, sizes).y, saves: { lists }, kept: sizes };
  },

  gradient({ lists }, dy, { kept, into, run }) {
    const flags = { accumulate: into.x ? 1 : 0, hasWeights: 0 };
    const args = { x: dy, weights: null, lists, y: into.x ?? [kept.T, kept.C] };
    return { x: run(kernels.combine, args, { ...kept, ...flags }).y };
  },
});

/**
 * Rows of tokens in the order of their experts: y [T·K, C] from x [T, C], zero from the last row that was kept on. `routed` is
 * what `topKRouting` found. The gradient adds up the rows of a token, in the order of its choices.
 */
export function dispatchTokens(x: Tensor, { lists, weights, sums }: Routed): Tensor {
  return dispatchTokensOp({ x, lists }, { topK: weights.shape[1], experts: sums.size - 2 });
}

export const combineTokensOp = defineOp({
  name: "combineTokens",
  inputs: { x: float("R", "C"), weights: float32("T", "K"), lists: int("L") },

  forward({ x, weights, lists }, { experts }: { experts: number }, { dims: { T, K, C }, run }) {
    const sizes = { ...routedSizes("combineTokens", lists, T, K, experts), C };
    checkRows("combineTokens", x, sizes.R);
    const { y } = run(kernels.combine, { x, weights, lists, y: [T, C] }, { ...sizes, accumulate: 0, hasWeights: 1 });
    return { y, saves: { x, weights, lists }, kept: sizes };
  },

  gradient({ x, weights, lists }, dy, { kept, needs, run }) {
    const args = { dy, x, weights, lists, dx: x.shape, dweights: weights.shape };
    const { dx, dweights } = run(kernels.backwardCombine, args, kept);
    if (!needs.x) dx.dispose();
    if (!needs.weights) dweights.dispose();
    return { x: needs.x ? dx : null, weights: needs.weights ? dweights : null };
  },
});

/**
 * Back to the order of tokens: y[t] = Σ_k weights[t,k] · x[the row of choice k], in that order; a dropped choice adds nothing.
 * x [T·K, C] as `dispatchTokens` orders it, `routed` as `topKRouting` found it; y [T, C].
 */
export function combineTokens(x: Tensor, { lists, weights, sums }: Routed): Tensor {
  return combineTokensOp({ x, weights, lists }, { experts: sums.size - 2 });
}
