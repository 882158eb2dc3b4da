import { type nn, Tensor } from "../../engine/index.js";

/** What stands behind the attention of a layer: an MLP, or a mixture of experts in its place. */
export type FeedForward = nn.Module & { forward(x: Tensor): Tensor | nn.MoeOutput };

/** The output of a feed-forward, and the whole of a mixture's. */
export function feed(mlp: FeedForward, x: Tensor): { y: Tensor; mixture: nn.MoeOutput | null } {
  const out = mlp.forward(x);
  return out instanceof Tensor ? { y: out, mixture: null } : { y: out.y, mixture: out };
}
