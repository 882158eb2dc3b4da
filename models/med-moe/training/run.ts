import { io, optim, type Tensor } from "../../../engine/index.js";
import type { Conversation } from "../../data/conversation-form.js";
import type { Cursor } from "../../data/order.js";
import { trainedParameters } from "../../peft/trainable.js";
import { diverged } from "../../training/diverged.js";
import { GroupedAdamW } from "../../training/grouped-adamw.js";
import { DataThreads, usualThreads } from "../../training/loading/threads.js";
import type { RunLog } from "../../training/log/run-log.js";
import {
  bestFile,
  firstState,
  otherArithmetic,
  restoreParameters,
  restoreState,
  type Saved,
  saveParameters,
  saveState,
  stateFile,
  type Trained,
} from "../../training/run-state.js";
import { completed, takeSteps } from "../../training/steps.js";
import { epochOf, exhausted, pausesAt, type ValidationPlan, validationDue } from "../../training/validations.js";
import { KEPT_BYTES } from "../input/square-images.js";
import type { MedMoeNetwork } from "../network/network.js";
import { type BatchForm, start } from "./batch-thread.js";
import { groupsOf, scheduleOf } from "./rates.js";
import type { TuningConfig } from "./run-config.js";
import type { ConversationSplits } from "./train-data.js";
import type { MedMoeTrainOptions, MixtureSizes } from "./train-options.js";
import type { MedMoeHistory, MedMoeState } from "./train-state.js";
import { firstBatch, type HostBatch, hostBatch, type Reading, stepsOf, stepsPerEpoch } from "./training-batches.js";
import { Update } from "./update.js";

const HISTORY = ["loss", "aux", "lr", "chosen"] as const;

/** The steps of a stage, from the first or from where its state stands. */
export class MedMoeRun {
  readonly network: MedMoeNetwork;
  readonly steps: number;
  readonly mixtures: MixtureSizes | null;
  history: MedMoeHistory = { loss: [], aux: [], lr: [], chosen: [] };
  state: MedMoeState;
  readonly #optimizer: GroupedAdamW;
  readonly #scaler: optim.GradScaler | null;
  readonly #update: Update;
  readonly #trained: readonly (readonly [string, Tensor])[];
  /** Part of the largest learning rate. */
  readonly #schedule: optim.Schedule;
  readonly #config: TuningConfig;
  readonly #options: MedMoeTrainOptions & { readonly log: RunLog };
  readonly #splits: ConversationSplits;
  readonly #reading: Reading;
  readonly #threads: DataThreads<BatchForm, readonly Conversation[], HostBatch | null>;
  /** What shows whether the weights are sound. */
  #probe: HostBatch | null = null;
  #savedAt = Date.now();

  /** `network` asks for the gradients of what the stage trains. */
  constructor(
    config: TuningConfig,
    options: MedMoeTrainOptions & { readonly log: RunLog },
    splits: ConversationSplits,
    network: MedMoeNetwork,
    reading: Reading,
    /** Where the tokenizer is. */
    model: string,
  ) {
    this.#config = config;
    this.#options = options;
    this.#splits = splits;
    this.#reading = reading;
    const count = options.dataThreads ?? usualThreads();
    const { template, images, maxLength, seed } = reading;
    const { size, pad } = images;
    const keptBytes = KEPT_BYTES / Math.max(1, count);
    const init = {
      template: template.name,
      model,
      family: network.config.family,
      maxLength,
      seed,
      size,
      pad,
      keptBytes,
    };
    this.#threads = new DataThreads({ module: "models/med-moe/training/batch-thread.js", start, init, count });
    this.network = network;
    this.#trained = trainedParameters(network);
    this.steps = config.epochs * stepsPerEpoch(splits.train.length, config);
    this.#optimizer = new GroupedAdamW(groupsOf(this.#trained, config));
    this.#scaler = config.precision === "f16" ? new optim.GradScaler(options.device) : null;
    this.#schedule = scheduleOf(config, this.steps);
    const { moe } = network.config;
    this.mixtures = moe && { layers: moe.layers, experts: moe.experts };
    const { device } = options;
    this.#update = new Update({
      ...{ device, network, config, size },
      ...{ optimizer: this.#optimizer, scaler: this.#scaler, trained: this.#trained },
    });
    device.seed(config.seed);
    this.state = {
      version: 1,
      config,
      ...firstState(device),
      data: splits.digest,
      validations: [],
    };
  }

  async restore(saved: Saved<MedMoeState> | null): Promise<void> {
    if (!saved) return;
    const { device, out, onEvent } = this.#options;
    const text = otherArithmetic(saved.state, device, stateFile(out));
    if (text) onEvent?.({ type: "warning", text });
    this.state = { ...saved.state, device: this.state.device };
    this.history = await restoreState(saved, device, this.#state, HISTORY);
  }

  get #state(): Trained {
    return { parameters: this.#trained, optimizer: this.#optimizer, scaler: this.#scaler };
  }

  /** Trains to the end, or until the signal; true when it was stopped. */
  async loop(): Promise<boolean> {
    const { device, signal } = this.#options;
    const probe = await firstBatch(this.#splits.train, this.#config.batch, this.#reading, signal);
    this.#probe = probe;
    await device.warmUp(() => this.#update.step([probe]));
    while (this.state.epoch < this.#config.epochs) {
      if (!(await this.#validated())) return true;
      if (this.#exhausted) break;
      if (!(await this.#epoch())) return true;
      await this.save();
      if (signal?.aborted && this.state.epoch < this.#config.epochs) return true;
    }
    if (!(await this.#validated())) return true;
    this.state.finished = true;
    await this.save();
    if (this.#exhausted && this.state.epoch < this.#config.epochs) {
      const { step, validations } = this.state;
      const best = validations[this.#scores.indexOf(Math.max(...this.#scores))].step;
      this.#options.onEvent?.({ type: "enough", step, best });
    }
    return false;
  }

  /** Of the validations so far: the more the better. */
  get #scores(): number[] {
    return this.state.validations.map(({ loss }) => -loss);
  }

  get #plan(): ValidationPlan {
    return { ...this.#config, validateEvery: 1 };
  }

  get #exhausted(): boolean {
    return exhausted(this.#scores, this.#plan);
  }

  /** Goes back to the weights of the best validation, where they are the ones to keep. */
  async takeBest(): Promise<void> {
    if (this.#config.keep !== "best" || this.state.validations.length === 0) return;
    await using reader = await io.openCheckpoint(bestFile(this.#options.out));
    await restoreParameters(reader, this.#trained);
  }

  /** The rest of the epoch, or the steps to the next validation; false when it was stopped. */
  async #epoch(): Promise<boolean> {
    const { signal, onEvent, checkpointSeconds = 60 } = this.#options;
    const { epoch } = this.state;
    const cursor: Cursor = { epoch, position: this.state.position };
    const steps = stepsOf(this.#splits.train, this.#config, this.#threads, cursor);
    return takeSteps(steps, {
      step: async ({ batches, next }, waited) => {
        const { step } = this.state;
        this.#optimizer.rate = this.#schedule(step);
        const lr = this.#schedule(step) * this.#config.lr;
        for (const text of batches.flatMap(({ warnings }) => warnings)) onEvent?.({ type: "warning", text });
        const numbers = batches.length > 0 ? this.#update.step(batches) : null;
        Object.assign(this.state, { step: step + 1, epoch: next.epoch, position: next.position });
        const { loss, aux, chosen, norm } = await this.#update.numbers(numbers, batches.length);
        this.history.loss.push(loss);
        this.history.aux.push(aux);
        this.history.lr.push(lr);
        for (const count of chosen) this.history.chosen.push(count);
        // With a scaler, a step whose loss overflowed f16 was skipped; what is really spoilt shows when it is saved.
        if (!Number.isFinite(loss) && numbers && !this.#scaler)
          throw diverged("train", `the loss of step ${step + 1} is ${loss}`);
        if (!Number.isFinite(norm))
          throw diverged(
            "train",
            `the norm of the gradients of step ${step + 1} is ${norm}, while the loss is ${loss}: their squares are more than f32 holds`,
            "Check the weights that it starts from, and `auxLoss`",
          );
        onEvent?.({ type: "step", step: step + 1, steps: this.steps, epoch: epoch + 1, loss, lr, waited });
      },
      save: () => this.save(),
      due: () => Date.now() - this.#savedAt > checkpointSeconds * 1000,
      pauses: () => this.#splits.validation.length > 0 && pausesAt(this.state.step, this.#plan),
      signal,
    });
  }

  /**
   * Measures the held-back conversations where that is due and was not done yet: a run that was stopped between the last step
   * and its validation finds it still to do. False when it was stopped; the checkpoint before it stands.
   */
  async #validated(): Promise<boolean> {
    const { validation } = this.#splits;
    if (validation.length === 0 || !validationDue(this.state, this.#plan)) return true;
    return completed(this.#validate(validation), this.#options.signal);
  }

  async #validate(conversations: readonly Conversation[]): Promise<void> {
    const { step } = this.state;
    const loss = await this.#meanLoss(conversations);
    if (!Number.isFinite(loss)) {
      const text = `the held-back conversations have no loss (${loss}): their answers may be behind the longest text (--max-length)`;
      this.#options.onEvent?.({ type: "warning", text });
      return;
    }
    const measured = { step, epoch: epochOf(this.state), loss };
    const isBest = this.#scores.every((score) => -loss > score);
    if (isBest && this.#config.keep === "best") await saveParameters(bestFile(this.#options.out), this.#trained);
    this.state.validations.push(measured);
    this.#options.onEvent?.({ type: "validation", validation: measured });
  }

  /** Mean over the batches. Rejects with the signal's reason, between two of them. */
  async #meanLoss(conversations: readonly Conversation[]): Promise<number> {
    const { batch } = this.#config;
    let [sum, count] = [0, 0];
    for (let start = 0; start < conversations.length; start += batch) {
      this.#options.signal?.throwIfAborted();
      const part = await hostBatch(conversations.slice(start, start + batch), this.#reading);
      if (!part) continue;
      sum += await this.#update.measured(part);
      count++;
    }
    return sum / count;
  }

  /** Writes where the run stands. Throws where the weights are spoilt: the last good checkpoint is not replaced by them. */
  async save(): Promise<void> {
    const { out, device, onEvent } = this.#options;
    const { step } = this.state;
    const loss = this.#probe && (await this.#update.measured(this.#probe));
    if (loss !== null && !Number.isFinite(loss)) throw diverged("train", `after step ${step} the loss is ${loss}`);
    this.state.random = device.randomState;
    await this.#options.log.flush();
    await saveState(out, this.state, this.#state, { ...this.history });
    this.#savedAt = Date.now();
    onEvent?.({ type: "saved", step, file: stateFile(out) });
  }

  async close(): Promise<void> {
    await this.#threads.close();
    this.#scaler?.dispose();
    this.#optimizer.dispose();
  }
}
