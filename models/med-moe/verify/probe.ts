import { balanceLoss, type Device, keep, linear, nn, noGrad, reshape, type Tensor } from "../../../engine/index.js";
import type { Layer } from "../../../engine/nn/sequential.js";

/** What a mixture saw and gave in one forward; null for what it does not have. */
export interface Seen {
  readonly logits: Tensor;
  readonly routed: Tensor;
  readonly meta: Tensor | null;
  readonly weights: Tensor;
  readonly lists: Tensor;
  readonly balanceLoss: Tensor;
}

/** Stands in a mixture's place, hands it the noise of the golden tensors, and keeps what it computes. */
export class Probe extends nn.Module {
  inner: nn.MixtureOfExperts;
  /** Given instead of random numbers. */
  noise: Tensor | null = null;
  /** Of the newest forward that was asked for. */
  seen: Seen | null = null;
  watching = false;

  constructor(inner: nn.MixtureOfExperts) {
    super();
    this.inner = inner;
  }

  forward(x: Tensor): nn.MoeOutput {
    const out = this.inner.forward(x, { noise: this.noise });
    if (this.watching)
      noGrad(() => {
        const { wg, shared, options } = this.inner;
        const rows = reshape(x, [x.size / options.width, options.width]);
        this.seen = {
          logits: keep(linear(rows, wg.weight, wg.bias)),
          routed: keep(reshape(out.experts, [-1])),
          meta: shared && keep((shared as Layer).forward(x)),
          weights: keep(reshape(out.routed.weights, [-1])),
          lists: keep(reshape(out.routed.lists, [-1])),
          balanceLoss: keep(balanceLoss(out.routed)),
        };
      });
    return out;
  }

  /** Frees what was kept. */
  forget(): void {
    for (const t of Object.values(this.seen ?? {})) t?.dispose();
    this.seen = null;
  }
}
