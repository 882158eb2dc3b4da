import { balanceLoss, keep, linear, nn, noGrad, reshape, type Tensor } from "../../../engine/index.js";
import type { FeedForward } from "../../decoder/feed-forward.js";
import { deviceOf, type ModelRun } from "./batch.js";

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
  readonly #noise: Tensor | null;
  /** Of the newest forward while it was watching. */
  #seen: Seen | null = null;
  watching = false;

  /** `noise` instead of random numbers; the probe owns it. */
  constructor(inner: nn.MixtureOfExperts, noise: Tensor | null) {
    super();
    this.inner = inner;
    this.#noise = noise;
  }

  forward(x: Tensor): nn.MoeOutput {
    const out = this.inner.forward(x, { noise: this.#noise });
    if (this.watching)
      noGrad(() => {
        const { wg, shared, options } = this.inner;
        const rows = reshape(x, [x.size / options.width, options.width]);
        this.#seen = {
          logits: keep(linear(rows, wg.weight, wg.bias)),
          routed: keep(reshape(out.experts, [-1])),
          meta: shared && keep(shared.forward(x)),
          weights: keep(reshape(out.routed.weights, [-1])),
          lists: keep(reshape(out.routed.lists, [-1])),
          balanceLoss: keep(balanceLoss(out.routed)),
        };
      });
    return out;
  }

  get seen(): Seen | null {
    return this.#seen;
  }

  /** Frees what it holds beside the mixture. */
  close(): void {
    for (const t of [...Object.values(this.#seen ?? {}), this.#noise]) t?.dispose();
    this.#seen = null;
  }
}

/** Puts a probe into each mixture's place; the returned function puts the mixtures back. */
export function probe({ network, golden }: ModelRun): { probes: Map<number, Probe>; remove: () => void } {
  const probes = new Map<number, Probe>();
  const device = deviceOf(network);
  network.model.layers.forEach((layer, i) => {
    if (!(layer.mlp instanceof nn.MixtureOfExperts)) return;
    const name = `moe.${i}.gumbel`;
    const watched = new Probe(layer.mlp, golden.has(name) ? golden.tensor(device, name) : null);
    probes.set(i, watched);
    layer.mlp = watched as FeedForward;
  });
  const remove = () => {
    for (const [i, { inner }] of probes) {
      probes.get(i)?.close();
      network.model.layers[i].mlp = inner;
    }
  };
  return { probes, remove };
}
