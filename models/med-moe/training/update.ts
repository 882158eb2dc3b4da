import {
  add,
  autocast,
  cast,
  concat,
  type Device,
  noGrad,
  optim,
  reshape,
  scale,
  scope,
  slice,
  type Tensor,
  tensor,
  zeros,
} from "../../../engine/index.js";
import type { GroupedAdamW } from "../../training/grouped-adamw.js";
import type { MedMoeNetwork } from "../network/network.js";
import type { TuningConfig } from "./run-config.js";
import type { HostBatch } from "./training-batches.js";

/** What updates are made of. */
export interface UpdateParts {
  readonly device: Device;
  readonly network: MedMoeNetwork;
  readonly optimizer: GroupedAdamW;
  readonly scaler: optim.GradScaler | null;
  /** That the optimiser changes. */
  readonly trained: readonly (readonly [string, Tensor])[];
  readonly config: TuningConfig;
  /** Pixels of an image's side. */
  readonly size: number;
}

/** What an update says of its batches. */
export interface UpdateNumbers {
  /** Means over the batches: NaN where there was none. */
  readonly loss: number;
  readonly aux: number;
  /** How often each expert was chosen, layer after layer. */
  readonly chosen: readonly number[];
  /** Of the gradients; 0 where nobody reads it. */
  readonly norm: number;
}

/** Updates of what a stage trains, and losses without one. */
export class Update {
  readonly #parts: UpdateParts;

  constructor(parts: UpdateParts) {
    this.#parts = parts;
  }

  /** With a scaler a norm that is not finite is no news: the step is skipped. */
  get #readsNorm(): boolean {
    const { config, scaler } = this.#parts;
    return config.clipNorm !== undefined && !scaler;
  }

  /** One update from the mean of the batches' gradients. Their norm where that is read; cross entropy, load-balancing loss and choices, summed. */
  step(batches: readonly HostBatch[]): Tensor {
    const { network, optimizer, scaler } = this.#parts;
    network.train();
    return scope(() => {
      const sums = batches.map((batch) =>
        scope(() => {
          const { loss, numbers } = this.#forward(batch);
          const share = scale(loss, 1 / batches.length);
          (scaler?.scale(share) ?? share).backward();
          return numbers;
        }),
      );
      const clip = this.#clip();
      optimizer.step(clip);
      scaler?.update();
      optimizer.zeroGrad();
      return noGrad(() => {
        const total = sums.reduce((a, b) => add(a, b));
        return clip && this.#readsNorm ? concat([slice(clip, { dim: 0, start: 0, length: 1 }), total], 0) : total;
      });
    });
  }

  /** The loss of a batch; and cross entropy, load-balancing loss and choices in one vector, without history. */
  #forward(batch: HostBatch): { loss: Tensor; numbers: Tensor } {
    const { device, network, config, size } = this.#parts;
    const pixels = tensor(batch.pixels, { device, shape: [batch.images, 3, size, size] });
    const { loss, ce, aux, routed } = autocast(config.precision, () => network.loss(batch.samples, pixels));
    const experts = network.config.moe?.experts ?? [];
    const numbers = noGrad(() => {
      const flat = (t: Tensor) => reshape(cast(t, "f32"), [t.size]);
      return concat(
        [
          flat(ce),
          aux ? flat(aux) : zeros([1], { device }),
          ...routed.map(({ lists }, i) => flat(chosenIn(lists, experts[i]))),
        ],
        0,
      );
    });
    return { loss, numbers };
  }

  /** Of a step's sums, which it disposes of; null: there was no batch. */
  async numbers(sums: Tensor | null, batches: number): Promise<UpdateNumbers> {
    const { moe } = this.#parts.network.config;
    const values = sums ? Array.from((await sums.data()) as Float32Array) : [];
    sums?.dispose();
    const norm = this.#readsNorm ? (values.shift() ?? 0) : 0;
    const [ce, aux, ...chosen] = values;
    const none = moe?.experts.flatMap((experts) => new Array<number>(experts).fill(0)) ?? [];
    if (!sums) return { loss: Number.NaN, aux: 0, chosen: none, norm };
    const weight = moe?.auxLoss ?? 0;
    return { loss: (ce + weight * aux) / batches, aux: aux / batches, chosen, norm };
  }

  /** The loss of a batch without dropout and without gradients. */
  async measured(batch: HostBatch): Promise<number> {
    const { device, network } = this.#parts;
    const random = device.randomState;
    network.eval();
    using loss = noGrad(() => scope(() => this.#forward(batch).loss));
    device.restoreRandom(random);
    return loss.item();
  }

  /** What the optimiser multiplies the gradients by. */
  #clip(): Tensor | null {
    const { trained, scaler } = this.#parts;
    const parameters = trained.map(([, p]) => p);
    const { clipNorm: maxNorm } = this.#parts.config;
    if (scaler) return scaler.unscale(parameters, { maxNorm });
    return maxNorm === undefined ? null : optim.clipGradNorm(parameters, maxNorm);
  }
}

/** Of the routing lists, how often each expert was chosen: behind the E + 1 offsets of their rows. */
const chosenIn = (lists: Tensor, experts: number) => slice(lists, { dim: 0, start: experts + 1, length: experts });
