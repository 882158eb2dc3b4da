import { add, autocast, nn, noGrad, optim, scale, scope, type Tensor } from "../../engine/index.js";
import type { ImageStore } from "../data/image-store.js";
import { batches, type Cursor } from "../data/order.js";
import type { VqaRecord } from "../data/record.js";
import { Sampler } from "../data/sampler.js";
import { score } from "../eval/metrics.js";
import { trainedParameters } from "../peft/trainable.js";
import { diverged } from "../training/diverged.js";
import { readAhead } from "../training/loading/read-ahead.js";
import { usualThreads } from "../training/loading/threads.js";
import type { RunLog } from "../training/log/run-log.js";
import {
  bestFile,
  firstState,
  otherArithmetic,
  restoreState,
  saveParameters,
  saveState,
  stateFile,
  type Trained,
} from "../training/run-state.js";
import { completed, takeSteps } from "../training/steps.js";
import { epochOf, exhausted, pausesAt, validationDue } from "../training/validations.js";
import { adapt } from "./adaptation.js";
import { adaptedRoots } from "./adapters.js";
import { trainingBatch } from "./batch.js";
import { type BatchThreads, batchThreads } from "./batch-threads.js";
import { augmentationsOf, type DataSplits } from "./datasets.js";
import { exportModel } from "./export.js";
import type { HostBatch } from "./host-batch.js";
import type { ModelFolder } from "./model-folder.js";
import type { MissNetwork } from "./network.js";
import { type Prediction, predict } from "./predict.js";
import { scheduleOf } from "./rates.js";
import type { RunConfig } from "./run-config.js";
import { MissTokenizer } from "./tokenizer.js";
import type { TrainOptions } from "./train-options.js";
import type { History, SavedState, State } from "./train-state.js";

/** With the run's log; null of a rehearsal, which writes nothing. */
export type RunOptions = TrainOptions & { readonly log: RunLog | null };

/** A training run: steps, validations and checkpoints, from its first step or from where its state stands. */
export class Run {
  readonly network: MissNetwork;
  readonly optimizer: optim.AdamW;
  /** Keeps the gradients of f16 in range. */
  readonly scaler: optim.GradScaler | null;
  readonly tokenizer: MissTokenizer;
  readonly steps: number;
  history: History = { loss: [], lr: [] };
  state: State;
  readonly #schedule: optim.Schedule;
  readonly #config: RunConfig;
  readonly #options: RunOptions;
  readonly #splits: DataSplits;
  readonly #folder: ModelFolder;
  readonly #images: ImageStore;
  readonly #sampler: Sampler;
  readonly #perEpoch: number;
  readonly #threads: BatchThreads;
  /** What shows whether the weights are sound. */
  #probe: readonly HostBatch[] = [];
  #savedAt = Date.now();

  constructor(
    config: RunConfig,
    options: RunOptions,
    splits: DataSplits,
    folder: ModelFolder,
    images: ImageStore,
    network: MissNetwork,
    init: nn.Initializer,
  ) {
    this.#config = config;
    this.#options = options;
    this.#splits = splits;
    this.#folder = folder;
    this.#images = images;
    this.#perEpoch = Math.ceil(splits.train.length / (config.batch * config.accumulate));
    this.steps = config.epochs * this.#perEpoch;
    this.tokenizer = new MissTokenizer(folder.pieces);
    this.network = network;
    adapt(this.network, init, config.adaptation);
    nn.namePaths(this.network);
    this.#schedule = scheduleOf(config, this.#perEpoch);
    const changes = { seed: config.seed, augmentations: augmentationsOf(config) };
    this.#sampler = new Sampler(changes.seed, changes.augmentations);
    options.device.seed(config.seed);
    this.state = { version: 3, config, ...firstState(options.device), best: null, validations: [] };
    // Last: what they hold outlives a run that cannot begin.
    const { lr, weightDecay } = config;
    this.optimizer = new optim.AdamW(trainedParameters(this.network), { lr, weightDecay });
    this.scaler = config.precision === "f16" ? new optim.GradScaler(options.device) : null;
    this.#threads = batchThreads(changes, folder, options.dataThreads ?? usualThreads());
  }

  get #trained(): Trained {
    const { network, optimizer, scaler } = this;
    return { parameters: network.namedParameters(), optimizer, scaler };
  }

  async restore(saved: SavedState | null): Promise<void> {
    if (!saved) return;
    const { device, out, onEvent } = this.#options;
    const text = otherArithmetic(saved.state, device, stateFile(out));
    if (text) onEvent?.({ type: "warning", text });
    this.state = { ...saved.state, device: this.state.device };
    this.history = await restoreState(saved, device, this.#trained, ["loss", "lr"]);
  }

  /** Trains to the end, or until the signal; true when it was stopped. */
  async loop(): Promise<boolean> {
    this.#probe = await this.#read(this.#splits.train.slice(0, this.#config.batch));
    await this.#options.device.warmUp(() => this.#step(this.#probe));
    while (this.state.epoch < this.#config.epochs) {
      if (!(await this.#validated())) return true;
      if (this.#exhausted) break;
      if (!(await this.#epoch())) return true;
    }
    if (!(await this.#validated())) return true;
    if (!this.state.best) {
      await this.#refuseDiverged();
      await exportModel(this.network, this.#folder, this.#options.out);
    }
    this.state.finished = true;
    await this.save();
    if (this.#exhausted && this.state.epoch < this.#config.epochs)
      this.#options.onEvent?.({ type: "enough", step: this.state.step, best: this.state.best?.step ?? 0 });
    return false;
  }

  get #exhausted(): boolean {
    const scores = this.state.validations.map(({ accuracy }) => accuracy);
    return exhausted(scores, this.#config);
  }

  /** The rest of the epoch, or the steps to the next validation; false when it was stopped. */
  async #epoch(): Promise<boolean> {
    const { signal, onEvent, checkpointSeconds = 60 } = this.#options;
    const { seed, batch, accumulate } = this.#config;
    const { train } = this.#splits;
    const cursor: Cursor = { epoch: this.state.epoch, position: this.state.position };
    const plan = batches({ seed, n: train.length, batchSize: batch * accumulate }, cursor);
    const read = async ({ rows, next }: { rows: Uint32Array; next: Cursor }) => ({
      parts: await this.#read(
        Array.from(rows, (row) => this.#sampler.record(train[row], { epoch: cursor.epoch, row })),
      ),
      next,
    });
    return takeSteps(readAhead(plan, read, 1 + Math.ceil(this.#threads.count / accumulate)), {
      step: ({ parts, next }, waited) => {
        const loss = this.#step(parts);
        const { step, lr, epoch } = { step: this.state.step, lr: this.optimizer.lr, epoch: cursor.epoch + 1 };
        Object.assign(this.state, { step: step + 1, epoch: next.epoch, position: next.position });
        return loss.item().then((value) => {
          loss.dispose();
          this.history.loss.push(value);
          this.history.lr.push(lr);
          // With a scaler, a step whose loss overflowed f16 was skipped; what is really spoilt shows when it is saved.
          if (!Number.isFinite(value) && !this.scaler)
            throw diverged("train", `the loss of step ${step + 1} is ${value}`);
          onEvent?.({ type: "step", step: step + 1, steps: this.steps, epoch, loss: value, lr, waited });
        });
      },
      save: () => this.save(),
      due: () => Date.now() - this.#savedAt > checkpointSeconds * 1000,
      pauses: () => this.#splits.validation.length > 0 && pausesAt(this.state.step, this.#config),
      signal,
    });
  }

  /**
   * Validates where that is due and was not done yet: a run that was stopped between the last step and its validation finds
   * it still to do. False when it was stopped; the checkpoint before it stands.
   */
  async #validated(): Promise<boolean> {
    const { validation } = this.#splits;
    if (validation.length === 0 || !validationDue(this.state, this.#config)) return true;
    await this.save();
    if (!(await completed(this.#validate(validation), this.#options.signal))) return false;
    await this.save();
    return true;
  }

  /** A step on questions of one's choice, with a rate of one's choice, which leaves the run where it stands but for its weights. */
  async rehearse(rows: readonly VqaRecord[], lr: number): Promise<number> {
    using loss = this.#step(await this.#read(rows), lr);
    return loss.item();
  }

  /** The batches of some questions, `batch` in each. */
  #read(rows: readonly VqaRecord[]): Promise<HostBatch[]> {
    const { batch } = this.#config;
    const parts = Array.from({ length: Math.ceil(rows.length / batch) }, (_, i) =>
      rows
        .slice(i * batch, (i + 1) * batch)
        .map(({ image, question, answer, sample }) => ({ image, question, answer, sample })),
    );
    return Promise.all(parts.map((part) => this.#threads.run(part)));
  }

  /** One update from the batches of a step. Their loss. */
  #step(parts: readonly HostBatch[], lr = this.#schedule(this.state.step)): Tensor {
    const { scaler } = this;
    const all = parts.reduce((sum, { questions }) => sum + questions.B, 0);
    this.network.train();
    this.optimizer.lr = lr;
    return scope(() => {
      const losses = parts.map((part) =>
        scope(() => {
          const loss = this.#share(part, all);
          (scaler?.scale(loss) ?? loss).backward();
          return loss;
        }),
      );
      this.optimizer.step(this.#clip());
      scaler?.update();
      this.optimizer.zeroGrad();
      return noGrad(() => losses.reduce((a, b) => add(a, b)));
    });
  }

  /** What a batch contributes to the loss of `all` questions, which is their mean. */
  #share(part: HostBatch, all: number): Tensor {
    const batch = trainingBatch(this.#options.device, part);
    const loss = autocast(this.#config.precision, () => this.network.loss(batch));
    return part.questions.B === all ? loss : scale(loss, part.questions.B / all);
  }

  /** What the optimiser multiplies the gradients by. */
  #clip(): Tensor | null {
    const parameters = this.network.parameters();
    const { clipNorm: maxNorm } = this.#config;
    if (this.scaler) return this.scaler.unscale(parameters, { maxNorm });
    return maxNorm === undefined ? null : optim.clipGradNorm(parameters, maxNorm);
  }

  /** Answers by the weights as they are, as many at a time as questions are trained on. */
  async answers(records: readonly VqaRecord[], answering = this.#folder.answering): Promise<Prediction[]> {
    this.network.eval();
    const { signal } = this.#options;
    const paths = records.map(({ image }) => image);
    await this.#images.load(paths, signal);
    const how = { answering, batch: 100, atATime: this.#config.batch, signal };
    return predict(this.network, this.tokenizer, this.#images, records, how);
  }

  async #validate(records: readonly VqaRecord[]): Promise<void> {
    const random = this.#options.device.randomState;
    const found = await this.answers(records);
    this.#options.device.restoreRandom(random);
    const { accuracy } = score(
      records,
      found.map((p) => p.answer),
    ).published.global;
    const recent = this.history.loss.slice(-this.#perEpoch);
    const loss = recent.reduce((a, b) => a + b, 0) / recent.length;
    const validation = { step: this.state.step, epoch: epochOf(this.state), accuracy, loss };
    this.state.validations.push(validation);
    const best = !this.state.best || accuracy > this.state.best.accuracy;
    if (best) {
      this.state.best = validation;
      await exportModel(this.network, this.#folder, this.#options.out);
      // The weights for others have them folded in.
      if (adaptedRoots(this.network).length > 0)
        await saveParameters(bestFile(this.#options.out), trainedParameters(this.network));
    }
    this.#options.onEvent?.({ type: "validation", validation, best });
  }

  /**
   * Throws where the weights give no finite loss: the update that spoilt them is only seen by the step after it, and must
   * not replace the last good checkpoint.
   */
  async #refuseDiverged(): Promise<void> {
    const { device } = this.#options;
    this.network.eval();
    using loss = noGrad(() => scope(() => this.network.loss(trainingBatch(device, this.#probe[0]))));
    const value = await loss.item();
    if (!Number.isFinite(value)) throw diverged("train", `after step ${this.state.step} the loss is ${value}`);
  }

  async save(): Promise<void> {
    await this.#refuseDiverged();
    this.state.random = this.#options.device.randomState;
    await this.#options.log?.flush();
    await saveState(this.#options.out, this.state, this.#trained, { ...this.history });
    this.#savedAt = Date.now();
    this.#options.onEvent?.({ type: "saved", step: this.state.step, file: stateFile(this.#options.out) });
  }

  async close(): Promise<void> {
    await this.#threads.close();
    this.scaler?.dispose();
    this.optimizer.dispose();
    this.network.dispose();
  }
}
