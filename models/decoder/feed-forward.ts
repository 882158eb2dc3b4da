import { type nn, Tensor } from "../../engine/index.js";

/** What a mixture of experts gives: its output, its load-balancing loss, and more for those who want to know. */
export interface MixtureOutput {
  readonly y: Tensor;
  readonly balanceLoss: Tensor;
}

/** What stands behind the attention of a layer: an MLP, or a mixture of experts in its place. */
export type FeedForward = nn.Module & { forward(x: Tensor): Tensor | MixtureOutput };

/** The output of a feed-forward; `mixture` where it was one. */
export function feed(mlp: FeedForward, x: Tensor): { y: Tensor; mixture: MixtureOutput | null } {
  const out = mlp.forward(x);
  return out instanceof Tensor ? { y: out, mixture: null } : { y: out.y, mixture: out };
}
