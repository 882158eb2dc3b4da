import { platform } from "#platform";
import { autocast, type Device, io, nn, noGrad, OptionError, optim, scope, type Tensor } from "../../engine/index.js";
import { ImageStore } from "../data/image-store.js";
import { batches, type Cursor } from "../data/order.js";
import type { VqaRecord } from "../data/record.js";
import { score } from "../eval/metrics.js";
import { withMergedAdapters } from "../peft/merged.js";
import { adapt, countParameters } from "./adaptation.js";
import { trainingBatch } from "./batch.js";
import { type LoadReport, loadNetwork, stateDict, writeText } from "./checkpoint.js";
import { type DataSplits, loadSplits } from "./datasets.js";
import { type ModelFolder, scalings, writeModelFolder } from "./model-folder.js";
import { modelOf } from "./model-of-run.js";
import { MissNetwork } from "./network.js";
import { predict } from "./predict.js";
import type { RunConfig } from "./run-config.js";
import { MissTokenizer } from "./tokenizer.js";
import {
  type History,
  openState,
  otherArithmetic,
  RUN_FILE,
  restoreState,
  type State,
  sameConfig,
  saveState,
  stateFile,
  type Validation,
} from "./train-state.js";

export type TrainEvent =
  /** The checkpoint that the run starts from was read. */
  | { readonly type: "loaded"; readonly file: string; readonly report: LoadReport }
  | { readonly type: "warning"; readonly text: string }
  | {
      readonly type: "ready";
      readonly trainable: number;
      readonly total: number;
      readonly steps: number;
      readonly rows: number;
      readonly resumedAt: number;
    }
  | {
      readonly type: "step";
      readonly step: number;
      readonly steps: number;
      readonly epoch: number;
      readonly loss: number;
      readonly lr: number;
    }
  | { readonly type: "validation"; readonly validation: Validation; readonly best: boolean }
  | { readonly type: "saved"; readonly step: number; readonly file: string };

export interface TrainOptions {
  readonly device: Device;
  /**
   * Folder of the run: run.json (its settings), config.json, vocab.txt, model.safetensors (the chosen weights),
   * last.safetensors (to go on).
   */
  readonly out: string;
  /** The bert-base-uncased vocabulary file. */
  readonly bertVocabulary: string;
  /** Goes on from last.safetensors where there is one. */
  readonly resume?: boolean;
  /** Stops after the current step, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Seconds between checkpoints at most; others are written before and after each validation and at the end. */
  readonly checkpointSeconds?: number;
  onEvent?(event: TrainEvent): void;
}

export interface TrainResult {
  readonly interrupted: boolean;
  readonly history: History;
  readonly validations: readonly Validation[];
  readonly best: Validation | null;
  readonly parameters: { readonly trainable: number; readonly total: number };
  readonly steps: number;
  /** The step that this process went on from; 0 where it did all of them. */
  readonly resumedAt: number;
}

/** Trains MISS on a data set. Same config, device and SIMD target give the same bits, also across a stop and a resume. */
export async function train(config: RunConfig, options: TrainOptions): Promise<TrainResult> {
  const { device, out, onEvent } = options;
  if (config.precision === "bf16" && device.name === "webgpu")
    throw new OptionError("precision bf16: webgpu multiplies in f32 and f16 only. Use f16, or the cpu device.");
  const splits = await loadSplits(config);
  const folder = await modelOf(config, splits, options.bertVocabulary);
  if (config.checkpointBlocks > folder.config.visionDepth)
    throw new OptionError(
      `checkpointBlocks is ${config.checkpointBlocks}, the ViT has ${folder.config.visionDepth} blocks.`,
    );
  const images = new ImageStore(folder.config.imageSize, scalings[folder.scaling]);
  await images.load(
    [...splits.train, ...splits.validation].map((r) => r.image),
    options.signal,
  );

  const saved = options.resume && (await platform.exists(stateFile(out))) ? await openState(out) : null;
  if (saved) sameConfig(saved.state.config, config, stateFile(out));
  else {
    await refuseModel(out, options.resume ?? false);
    await writeText(`${out}/${RUN_FILE}`, `${JSON.stringify(config, null, 2)}\n`);
    await writeModelFolder(out, folder);
  }

  const init = new nn.Initializer(device, config.seed);
  const network = await startingNetwork(config, folder, init, saved !== null, onEvent);
  network.visual_encoder.checkpointBlocks = config.checkpointBlocks;
  const run = new Run(config, options, splits, folder, images, network, init);
  try {
    await run.restore(saved);
    const resumedAt = run.state.step;
    onEvent?.({
      type: "ready",
      ...countParameters(run.network),
      steps: run.steps,
      rows: splits.train.length,
      resumedAt,
    });
    const interrupted = await run.loop();
    return {
      interrupted,
      history: run.history,
      validations: run.state.validations,
      best: run.state.best,
      parameters: countParameters(run.network),
      steps: run.state.step,
      resumedAt,
    };
  } finally {
    await saved?.reader.close();
    run.dispose();
    device.pool.trim();
  }
}

/** A model that no run can go on from is not written over. A run that stopped before its first checkpoint may start again. */
async function refuseModel(out: string, resume: boolean): Promise<void> {
  const begun = resume && (await platform.exists(`${out}/${RUN_FILE}`));
  if (!begun && (await platform.exists(`${out}/model.safetensors`)))
    throw new OptionError(
      `${out} holds a model already, and no checkpoint to go on from. Choose another folder, or remove this one first.`,
    );
}

/** The network before it is adapted: checkpoints have the published names, without adapters. */
async function startingNetwork(
  config: RunConfig,
  folder: ModelFolder,
  init: nn.Initializer,
  resumed: boolean,
  onEvent: TrainOptions["onEvent"],
) {
  const network = new MissNetwork(init, folder.config);
  if (!config.init || resumed) return network;
  try {
    await using reader = await io.openCheckpoint(config.init);
    onEvent?.({ type: "loaded", file: reader.file, report: await loadNetwork(network, reader) });
    return network;
  } catch (error) {
    network.dispose();
    throw error;
  }
}

class Run {
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
  readonly #options: TrainOptions;
  readonly #splits: DataSplits;
  readonly #folder: ModelFolder;
  readonly #images: ImageStore;
  readonly #perEpoch: number;
  #savedAt = Date.now();

  constructor(
    config: RunConfig,
    options: TrainOptions,
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
    this.#perEpoch = Math.ceil(splits.train.length / config.batch);
    this.steps = config.epochs * this.#perEpoch;
    this.tokenizer = new MissTokenizer(folder.pieces);
    this.network = network;
    const { adaptation } = config;
    const { r, alpha, dropout } = adaptation;
    adapt(this.network, init, { ...adaptation, lora: { r, alpha, dropout } });
    nn.namePaths(this.network);
    const trained = [...this.network.namedParameters()].filter(([, p]) => p.requiresGrad);
    const { lr, minLr, warmupSteps, weightDecay } = config;
    this.optimizer = new optim.AdamW(trained, { lr, weightDecay });
    this.scaler = config.precision === "f16" ? new optim.GradScaler(options.device) : null;
    const total = config.schedule === "epoch" ? config.epochs : Math.max(1, this.steps - warmupSteps);
    const cosine = optim.cosine(lr, total, minLr);
    const perEpoch = this.#perEpoch;
    const decay: optim.Schedule = config.schedule === "epoch" ? (s) => cosine(Math.floor(s / perEpoch)) : cosine;
    this.#schedule = warmupSteps > 0 ? optim.linearWarmup(warmupSteps, decay) : decay;
    options.device.seed(config.seed);
    this.state = {
      version: 2,
      config,
      device: { name: options.device.name, target: options.device.target },
      step: 0,
      epoch: 0,
      position: 0,
      random: options.device.randomState,
      best: null,
      validations: [],
      finished: false,
    };
  }

  async restore(saved: Awaited<ReturnType<typeof openState>> | null): Promise<void> {
    if (!saved) return;
    const { device, out, onEvent } = this.#options;
    const text = otherArithmetic(saved.state, device, stateFile(out));
    if (text) onEvent?.({ type: "warning", text });
    this.state = { ...saved.state, device: this.state.device };
    this.history = await restoreState(saved, device, this);
  }

  /** Trains to the end, or until the signal; true when it was stopped. */
  async loop(): Promise<boolean> {
    while (this.state.epoch < this.#config.epochs) {
      if (!(await this.#validated())) return true;
      if (!(await this.#epoch())) return true;
    }
    if (!(await this.#validated())) return true;
    if (!this.state.best) {
      await this.#refuseDiverged();
      await this.#export();
    }
    this.state.finished = true;
    await this.save();
    return false;
  }

  /** The rest of the epoch; false when it was stopped. */
  async #epoch(): Promise<boolean> {
    const { signal, onEvent, checkpointSeconds = 60 } = this.#options;
    const { seed, batch } = this.#config;
    const { train } = this.#splits;
    const cursor: Cursor = { epoch: this.state.epoch, position: this.state.position };
    let pending: Promise<void> = Promise.resolve();
    for (const { rows, next } of batches({ seed, n: train.length, batchSize: batch }, cursor)) {
      const loss = this.#step(Array.from(rows, (i) => train[i]));
      const { step, lr, epoch } = { step: this.state.step, lr: this.optimizer.lr, epoch: cursor.epoch };
      // The next step is enqueued while this loss is still on its way.
      await pending;
      pending = loss.item().then((value) => {
        loss.dispose();
        this.history.loss.push(value);
        this.history.lr.push(lr);
        // With a scaler, a step whose loss overflowed f16 was skipped; what is really spoilt shows when it is saved.
        if (!Number.isFinite(value) && !this.scaler) throw diverged(`the loss of step ${step + 1} is ${value}`);
        onEvent?.({ type: "step", step: step + 1, steps: this.steps, epoch, loss: value, lr });
      });
      Object.assign(this.state, { step: step + 1, epoch: next.epoch, position: next.position });
      if (signal?.aborted || Date.now() - this.#savedAt > checkpointSeconds * 1000) {
        await pending;
        await this.save();
        if (signal?.aborted) return false;
      }
    }
    await pending;
    return true;
  }

  /**
   * Validates at the end of an epoch where that is due and was not done yet: a run that was stopped between the last step
   * and its validation finds it still to do. False when it was stopped; the checkpoint before it stands.
   */
  async #validated(): Promise<boolean> {
    const { epochs, validateEvery } = this.#config;
    const { epoch, position, validations } = this.state;
    const { validation } = this.#splits;
    const due = position === 0 && epoch > 0 && (epoch % validateEvery === 0 || epoch === epochs);
    if (!due || validation.length === 0 || validations.at(-1)?.epoch === epoch) return true;
    const { signal } = this.#options;
    await this.save();
    try {
      await this.#validate(validation);
    } catch (error) {
      if (signal?.aborted && error === signal.reason) return false;
      throw error;
    }
    await this.save();
    return true;
  }

  #step(rows: readonly VqaRecord[]) {
    const { device } = this.#options;
    const { scaler } = this;
    const { precision } = this.#config;
    this.network.train();
    this.optimizer.lr = this.#schedule(this.state.step);
    return scope(() => {
      const batch = trainingBatch(device, this.tokenizer, this.#images, rows);
      const loss = autocast(precision, () => this.network.loss(batch));
      (scaler?.scale(loss) ?? loss).backward();
      this.optimizer.step(this.#clip());
      scaler?.update();
      this.optimizer.zeroGrad();
      return loss;
    });
  }

  /** What the optimiser multiplies the gradients by. */
  #clip(): Tensor | null {
    const parameters = this.network.parameters();
    const { clipNorm: maxNorm } = this.#config;
    if (this.scaler) return this.scaler.unscale(parameters, { maxNorm });
    return maxNorm === undefined ? null : optim.clipGradNorm(parameters, maxNorm);
  }

  async #validate(records: readonly VqaRecord[]): Promise<void> {
    const random = this.#options.device.randomState;
    this.network.eval();
    const { answering } = this.#folder;
    const { signal } = this.#options;
    const found = await predict(this.network, this.tokenizer, this.#images, records, { answering, batch: 100, signal });
    this.#options.device.restoreRandom(random);
    const { accuracy } = score(
      records,
      found.map((p) => p.answer),
    ).published.global;
    const recent = this.history.loss.slice(-this.#perEpoch);
    const loss = recent.reduce((a, b) => a + b, 0) / recent.length;
    const validation = { step: this.state.step, epoch: this.state.epoch, accuracy, loss };
    this.state.validations.push(validation);
    const best = !this.state.best || accuracy > this.state.best.accuracy;
    if (best) {
      this.state.best = validation;
      await this.#export();
    }
    this.#options.onEvent?.({ type: "validation", validation, best });
  }

  /** The weights for others: adapters folded in, published names. */
  async #export(): Promise<void> {
    const file = `${this.#options.out}/model.safetensors`;
    await withMergedAdapters(this.network, () => io.writeSafetensors(file, stateDict(this.network)));
  }

  /**
   * Throws where the weights give no finite loss: the update that spoilt them is only seen by the step after it, and must
   * not replace the last good checkpoint.
   */
  async #refuseDiverged(): Promise<void> {
    const { device } = this.#options;
    const { train } = this.#splits;
    this.network.eval();
    using loss = noGrad(() =>
      scope(() => {
        const rows = train.slice(0, this.#config.batch);
        return this.network.loss(trainingBatch(device, this.tokenizer, this.#images, rows));
      }),
    );
    const value = await loss.item();
    if (!Number.isFinite(value)) throw diverged(`after step ${this.state.step} the loss is ${value}`);
  }

  async save(): Promise<void> {
    await this.#refuseDiverged();
    this.state.random = this.#options.device.randomState;
    await saveState(this.#options.out, this.state, this, this.history);
    this.#savedAt = Date.now();
    this.#options.onEvent?.({ type: "saved", step: this.state.step, file: stateFile(this.#options.out) });
  }

  dispose(): void {
    this.scaler?.dispose();
    this.optimizer.dispose();
    this.network.dispose();
  }
}

const diverged = (what: string) => new Error(`train: ${what}. Use a smaller lr or clipNorm.`);
