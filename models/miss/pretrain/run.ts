import {
  autocast,
  io,
  nn,
  noGrad,
  optim,
  scope,
  square,
  stack,
  sum,
  type Tensor,
  tensor,
} from "../../../engine/index.js";
import type { Cursor } from "../../data/order.js";
import { trainedParameters } from "../../peft/trainable.js";
import { diverged } from "../../training/diverged.js";
import { usualThreads } from "../../training/loading/threads.js";
import type { RunLog } from "../../training/log/run-log.js";
import {
  firstState,
  otherArithmetic,
  restoreState,
  type Saved,
  saveState,
  stateFile,
  type Trained,
} from "../../training/run-state.js";
import { takeSteps } from "../../training/steps.js";
import { type BatchThreads, batchThreads } from "../batch-threads.js";
import type { ModelFolder } from "../model-folder.js";
import { MissTokenizer } from "../tokenizer.js";
import { pretrainBatch } from "./batch.js";
import type { CaptionRow } from "./captions.js";
import { pretrainStateDict } from "./checkpoint.js";
import type { PretrainNetwork } from "./network.js";
import { PairLoader, type Pairs } from "./pairs.js";
import type { PretrainConfig } from "./run-config.js";
import type { PretrainHistory, PretrainState } from "./run-state.js";
import { alphaAt, rateAt } from "./schedule.js";
import { pretrainLosses } from "./step.js";
import type { PretrainOptions } from "./train-options.js";

const NAMES = ["loss", "contrast", "matching", "captioning", "lr"] as const;

type RunOptions = PretrainOptions & { readonly log: RunLog };

/** A pre-training run: steps and checkpoints, from its first step or from where its state stands. */
export class PretrainRun {
  readonly network: PretrainNetwork;
  readonly steps: number;
  history: PretrainHistory = { loss: [], contrast: [], matching: [], captioning: [], lr: [] };
  state: PretrainState;
  readonly #config: PretrainConfig;
  readonly #options: RunOptions;
  readonly #optimizer: optim.AdamW;
  /** Keeps the gradients of f16 in range. */
  readonly #scaler: optim.GradScaler | null;
  readonly #threads: BatchThreads;
  readonly #pairs: PairLoader;
  readonly #tokenizer: MissTokenizer;
  #savedAt = Date.now();

  constructor(
    config: PretrainConfig,
    options: RunOptions,
    rows: readonly CaptionRow[],
    folder: ModelFolder,
    network: PretrainNetwork,
  ) {
    const { device } = options;
    const { seed, augment, captionLength, lr, weightDecay } = config;
    this.#config = config;
    this.#options = options;
    this.network = network;
    nn.namePaths(network);
    this.#tokenizer = new MissTokenizer(folder.pieces);
    device.seed(seed);
    this.state = { version: 1, config, ...firstState(device), queuePointer: network.queuePointer };
    // Last: what they hold outlives a run that cannot begin.
    const trained = trainedParameters(network);
    this.#optimizer = new optim.AdamW(trained, { lr, weightDecay });
    this.#scaler = config.precision === "f16" ? new optim.GradScaler(device) : null;
    const reading = { seed, augmentations: augment, questionLength: captionLength };
    this.#threads = batchThreads(reading, folder, options.dataThreads ?? usualThreads());
    this.#pairs = new PairLoader(rows, config, this.#threads);
    this.steps = config.epochs * this.#pairs.perEpoch;
  }

  get #trained(): Trained {
    return { parameters: this.network.namedParameters(), optimizer: this.#optimizer, scaler: this.#scaler };
  }

  async restore(saved: Saved<PretrainState> | null): Promise<void> {
    if (!saved) return;
    const { device, out, onEvent } = this.#options;
    const text = otherArithmetic(saved.state, device, stateFile(out));
    if (text) onEvent?.({ type: "warning", text });
    this.state = { ...saved.state, device: this.state.device };
    this.network.queuePointer = saved.state.queuePointer;
    this.history = await restoreState(saved, device, this.#trained, NAMES);
  }

  /** Trains to the end, or until the signal; true when it was stopped. */
  async loop(): Promise<boolean> {
    await this.#warmUp();
    while (this.state.epoch < this.#config.epochs) {
      if (!(await this.#epoch())) return true;
      await this.save();
      if (this.state.epoch < this.#config.epochs) await this.#export();
    }
    if (!this.state.finished) await this.#export();
    this.state.finished = true;
    await this.save();
    return false;
  }

  async #warmUp(): Promise<void> {
    if (this.state.epoch >= this.#config.epochs) return;
    for await (const pairs of this.#pairs.from(this.#cursor, 0)) {
      await this.#options.device.warmUp(() => this.#step(pairs));
      return;
    }
  }

  get #cursor(): Cursor {
    const { epoch, position } = this.state;
    return { epoch, position };
  }

  /** The rest of the epoch; false when it was stopped. */
  async #epoch(): Promise<boolean> {
    const { signal, onEvent, checkpointSeconds = 60 } = this.#options;
    const { epoch } = this.state;
    return takeSteps(this.#pairs.from(this.#cursor), {
      step: (pairs, waited) => {
        const losses = this.#step(pairs);
        const { step } = this.state;
        const { lr } = this.#optimizer;
        this.network.advanceQueues(this.#config.batch);
        const { queuePointer } = this.network;
        Object.assign(this.state, { step: step + 1, ...pairs.next, queuePointer });
        return losses.data().then((values) => {
          losses.dispose();
          const [loss] = values;
          NAMES.forEach((name, i) => {
            this.history[name].push(name === "lr" ? lr : values[i]);
          });
          // With a scaler, a step whose loss overflowed f16 was skipped; what is really spoilt shows when it is saved.
          if (!Number.isFinite(loss) && !this.#scaler)
            throw diverged("pretrain", `the loss of step ${step + 1} is ${loss}`);
          onEvent?.({ type: "step", step: step + 1, steps: this.steps, epoch: epoch + 1, loss, lr, waited });
        });
      },
      save: () => this.save(),
      due: () => Date.now() - this.#savedAt > checkpointSeconds * 1000,
      signal,
    });
  }

  /** Enqueues a step; its losses as one tensor, in the order of NAMES. */
  #step({ host: { size, pixels, questions: captions } }: Pairs): Tensor {
    const { device } = this.#options;
    const { precision, alpha, momentum, batch } = this.#config;
    const { epoch, position } = this.state;
    const place = { epoch, index: position / batch };
    this.network.train();
    this.#optimizer.lr = rateAt(this.#config, place);
    return scope(() => {
      const image = tensor(pixels, { device, shape: [batch, 3, size, size] });
      const inputs = pretrainBatch(device, image, captions, this.#tokenizer);
      const settings = { alpha: alphaAt(alpha, place, this.#pairs.perEpoch), momentum };
      const losses = autocast(precision, () => pretrainLosses(this.network, inputs, settings));
      (this.#scaler?.scale(losses.loss) ?? losses.loss).backward();
      this.#optimizer.step(this.#clip());
      this.#scaler?.update();
      this.#optimizer.zeroGrad();
      return noGrad(() => stack([losses.loss, losses.contrast, losses.matching, losses.captioning]));
    });
  }

  /** What the optimiser multiplies the gradients by. */
  #clip(): Tensor | null {
    const parameters = [...this.network.parameters()].filter((p) => p.requiresGrad);
    const { clipNorm: maxNorm } = this.#config;
    if (this.#scaler) return this.#scaler.unscale(parameters, { maxNorm });
    return maxNorm === undefined ? null : optim.clipGradNorm(parameters, maxNorm);
  }

  /** The weights for others, by their published names. */
  async #export(): Promise<void> {
    await io.writeSafetensors(`${this.#options.out}/model.safetensors`, [...pretrainStateDict(this.network)]);
  }

  /** Throws where a weight is no number: the update that spoilt it must not replace the last good checkpoint. */
  async #refuseDiverged(): Promise<void> {
    using sums = noGrad(() => scope(() => stack([...this.network.parameters()].map((p) => sum(square(p))))));
    const values = await sums.data();
    if (!values.every(Number.isFinite))
      throw diverged("pretrain", `after step ${this.state.step} a weight is no number`);
  }

  async save(): Promise<void> {
    await this.#refuseDiverged();
    const { device, out, onEvent, log } = this.#options;
    this.state.random = device.randomState;
    // What the checkpoint counts as done is in the log before it.
    await log.flush();
    await saveState(out, this.state, this.#trained, { ...this.history });
    this.#savedAt = Date.now();
    onEvent?.({ type: "saved", step: this.state.step, file: stateFile(out) });
  }

  async close(): Promise<void> {
    await this.#threads.close();
    this.#scaler?.dispose();
    this.#optimizer.dispose();
    this.network.dispose();
  }
}
