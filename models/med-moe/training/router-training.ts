import { autocast, crossEntropy, io, nn, noGrad, optim, scope, type Tensor, tensor } from "../../../engine/index.js";
import type { Conversation } from "../../data/conversation-form.js";
import { order } from "../../data/order.js";
import { refuseProblems } from "../../data/problem.js";
import { writeJson } from "../../files/write.js";
import { IMAGE } from "../../text/message.js";
import type { TextTokenizer } from "../../text/text-tokenizer.js";
import { loadTokenizer } from "../../text/tokenizer-folder.js";
import { logged, RunLog } from "../../training/log/run-log.js";
import { writeRunFile } from "../../training/run-file.js";
import { otherArithmetic, type Saved, saveState, stateFile } from "../../training/run-state.js";
import { loadMedMoe } from "../folder/load.js";
import { collateImages } from "../input/collate.js";
import { encodeWithImages, IMAGE_TOKEN } from "../input/image-tokens.js";
import { SquareImages } from "../input/square-images.js";
import { formatPrompt, type Template, templateNamed } from "../input/template.js";
import type { MedMoeNetwork } from "../network/network.js";
import { DomainRouter, pooledFeature, saveRouter } from "../network/router.js";
import type { RouterConfig } from "./run-config.js";
import { type ConversationSplits, dataName } from "./train-data.js";
import type { MedMoeTrainOptions, MedMoeTrainResult, RouterAccuracy, RouterResult } from "./train-options.js";
import type { MedMoeHistory, MedMoeState } from "./train-state.js";
import { longConversations } from "./training-problems.js";

/** Modalities in alphabetical order: the place of each is its expert. Throws where they cannot be told apart. */
function classesOf(config: RouterConfig, { train, validation }: ConversationSplits): string[] {
  const unlabelled = [...train, ...validation].filter(({ modality }) => modality === undefined);
  const file = dataName(config.data);
  if (unlabelled.length > 0)
    throw new io.FileFormatError(
      file,
      `${unlabelled.length} conversations have no "modality", the first ${unlabelled[0].place}`,
      "The router learns it: name the modality (or the part of the body) of each",
    );
  const classes = [...new Set(train.map(({ modality }) => modality as string))].sort();
  const unknown = validation.find(({ modality }) => !classes.includes(modality as string));
  if (unknown)
    throw new io.FileFormatError(
      file,
      `the modality "${unknown.modality}" is among the held-back conversations only`,
      "Give it more conversations, or hold back fewer",
    );
  if (classes.length < 2)
    throw new io.FileFormatError(
      file,
      `all conversations have the modality "${classes[0]}"`,
      "A router needs two or more",
    );
  return classes;
}

/**
 * Stage router: a linear map from the mean state of the dense model to the modality, which becomes the router of every
 * mixture. Features are computed once, one conversation at a time; a run that is stopped keeps those that are there.
 */
export async function trainRouter(
  config: RouterConfig,
  { model, tower }: Pick<RouterConfig, "model" | "tower">,
  options: MedMoeTrainOptions,
  splits: ConversationSplits,
  saved: Saved<MedMoeState> | null,
): Promise<MedMoeTrainResult> {
  const { device, out, onEvent } = options;
  const classes = classesOf(config, splits);
  const { network, newProjector } = await loadMedMoe(model, { device, tower });
  const all = [...splits.train, ...splits.validation];
  let features: Features;
  const { width } = network.config.decoder;
  try {
    if (network.config.moe)
      throw new io.FileFormatError(
        config.model,
        "it has mixtures of experts",
        "Name the dense model of stage instruct",
      );
    if (newProjector)
      throw new io.FileFormatError(
        config.model,
        "it is a language model that has seen no images",
        "Name the dense model of stage instruct",
      );
    const { tokenizer } = await loadTokenizer(model, network.config.family);
    const template = templateNamed(config.template ?? network.config.family);
    const { maxLength } = config;
    const promptOf = (conversation: Conversation) => questionPrompt(conversation, template);
    refuseProblems(longConversations(all, promptOf, { tokenizer, maxLength, network }), dataName(config.data));
    if (saved) {
      const text = otherArithmetic(saved.state, device, stateFile(out));
      if (text) onEvent?.({ type: "warning", text });
    } else await writeRunFile(out, config);
    features = await Features.from(saved, all.length, width);
    const resumedAt = features.done;
    const parameters = { trainable: classes.length * (width + 1), total: classes.length * (width + 1) };
    const steps = stepsOf(config, splits.train.length).length;
    onEvent?.({ type: "ready", ...parameters, steps, rows: splits.train.length, resumedAt });
    const source = { network, tokenizer, template, config, options, data: splits.digest };
    const interrupted = await features.compute(all, source);
    const result = { config, mixtures: null, validations: [], parameters, resumedAt };
    if (interrupted) return { ...result, interrupted, history: noHistory(), steps: features.done };
    const labels = Int32Array.from(all, ({ modality }) => classes.indexOf(modality as string));
    // Its steps are done at once, and again where a run goes on.
    const running = logged(options, await RunLog.open(out, null));
    const { router, history } = await fitted(config, running, features, labels, splits.train.length, classes.length);
    using owned = router;
    const [train, validation] = await accuracies(owned, options, features, labels, splits.train.length);
    await saveRouter(`${out}/router.pth`, owned);
    const found: RouterResult = { classes, train, validation };
    await writeJson(`${out}/router.json`, found);
    await running.log.flush();
    await features.save(source, true);
    return { ...result, interrupted: false, history, steps, router: found };
  } finally {
    network.dispose();
  }
}

const noHistory = (): MedMoeHistory => ({ loss: [], aux: [], lr: [], chosen: [] });

interface FeatureSource {
  readonly network: MedMoeNetwork;
  readonly tokenizer: TextTokenizer;
  readonly template: Template;
  readonly config: RouterConfig;
  readonly options: MedMoeTrainOptions;
  /** Digest of the conversations. */
  readonly data: string;
}

/** The pooled states of all conversations, in their order. */
class Features {
  readonly values: Float32Array;
  readonly width: number;
  /** Conversations that have theirs. */
  done = 0;

  constructor(count: number, width: number) {
    this.values = new Float32Array(count * width);
    this.width = width;
  }

  static async from(saved: Saved<MedMoeState> | null, count: number, width: number): Promise<Features> {
    const features = new Features(count, width);
    if (!saved) return features;
    const before = await io.readFloat32(saved.reader.get("model.features"));
    features.values.set(before);
    features.done = before.length / width;
    return features;
  }

  /** Computes those that are missing; true where it was stopped. */
  async compute(conversations: readonly Conversation[], source: FeatureSource): Promise<boolean> {
    const { network, config } = source;
    const { signal, onEvent, checkpointSeconds = 60 } = source.options;
    const images = new SquareImages(network.image_tower.config.imageSize, config.pad);
    let savedAt = Date.now();
    while (this.done < conversations.length) {
      using feature = await featureOf(conversations[this.done], images, source);
      this.values.set((await feature.data()) as Float32Array, this.done * this.width);
      this.done++;
      onEvent?.({ type: "features", done: this.done, total: conversations.length });
      const due = Date.now() - savedAt > checkpointSeconds * 1000;
      if (!signal?.aborted && !due) continue;
      await this.save(source, false);
      savedAt = Date.now();
      if (signal?.aborted) return true;
    }
    return false;
  }

  async save({ config, options, data }: FeatureSource, finished: boolean): Promise<void> {
    const { device, out, onEvent } = options;
    const { done: step, width } = this;
    const state: MedMoeState = {
      version: 1,
      config,
      device: { name: device.name, target: device.target },
      step,
      epoch: 0,
      position: step,
      random: device.randomState,
      finished,
      data,
      validations: [],
    };
    using features = tensor(this.values.subarray(0, step * width), { device, shape: [step, width] });
    const none = { state: () => new Map<string, Tensor>(), slot: () => null, steps: 0 };
    await saveState(out, state, { parameters: [["features", features]], optimizer: none, scaler: null }, {});
    onEvent?.({ type: "saved", step, file: stateFile(out) });
  }
}

/** The question alone, its images in front, the answer still open. */
function questionPrompt({ messages, images }: Conversation, template: Template): string {
  const text = messages[0].text.replaceAll(`${IMAGE}\n`, "").replaceAll(IMAGE, "").trim();
  return formatPrompt(template, [{ role: "user", text: `${`${IMAGE}\n`.repeat(images.length)}${text}` }]);
}

async function featureOf(
  conversation: Conversation,
  images: SquareImages,
  { network, tokenizer, template, config, options }: FeatureSource,
): Promise<Tensor> {
  const { device } = options;
  const { images: paths } = conversation;
  const ids = encodeWithImages(tokenizer, questionPrompt(conversation, template)).slice(0, config.maxLength);
  const places = Int32Array.of(ids.filter((id) => id === IMAGE_TOKEN).length);
  const own = await images.read(paths.slice(0, places[0]));
  const values = collateImages({ images: places }, [own], images.size);
  return scope(() => {
    const shape = [values.length / (3 * images.size ** 2), 3, images.size, images.size];
    const pixels = tensor(values, { device, shape });
    return autocast(config.precision, () => pooledFeature(network, { ids }, pixels));
  });
}

/** The rows of each step. */
function stepsOf({ epochs, accumulate, leftovers, seed }: RouterConfig, n: number): number[][] {
  const byEpoch = Array.from({ length: epochs }, (_, epoch) => Array.from(order(seed, epoch, n)));
  const cut = (rows: readonly number[]) =>
    Array.from({ length: Math.ceil(rows.length / accumulate) }, (_, i) =>
      rows.slice(i * accumulate, (i + 1) * accumulate),
    );
  if (leftovers === "step") return byEpoch.flatMap(cut);
  return cut(byEpoch.flat()).filter((rows) => rows.length === accumulate);
}

/** Adam on the mean cross entropy of each step's conversations. */
async function fitted(
  config: RouterConfig,
  { device, onEvent }: MedMoeTrainOptions,
  { values, width }: Features,
  labels: Int32Array,
  n: number,
  classes: number,
) {
  const router = new DomainRouter(new nn.Initializer(device, config.seed), width, classes);
  using adam = new optim.AdamW(router.namedParameters(), { lr: config.lr, weightDecay: 0 });
  const history = noHistory();
  const steps = stepsOf(config, n);
  for (const [step, rows] of steps.entries()) {
    const batch = new Float32Array(rows.length * width);
    for (const [i, row] of rows.entries()) batch.set(values.subarray(row * width, (row + 1) * width), i * width);
    using loss = scope(() => {
      const x = tensor(batch, { device, shape: [rows.length, width] });
      const wanted = tensor(
        Int32Array.from(rows, (row) => labels[row]),
        { device },
      );
      const mean = crossEntropy(router.forward(x), wanted);
      mean.backward();
      adam.step();
      adam.zeroGrad();
      return mean;
    });
    const value = await loss.item();
    history.loss.push(value);
    history.aux.push(0);
    history.lr.push(config.lr);
    const epoch = 1 + Math.floor((step * config.epochs) / steps.length);
    onEvent?.({ type: "step", step: step + 1, steps: steps.length, epoch, loss: value, lr: config.lr, waited: 0 });
  }
  return { router, history };
}

/** How often the largest logit is the modality's: of those trained on, and of those held back. */
async function accuracies(
  router: DomainRouter,
  { device }: MedMoeTrainOptions,
  { values, width }: Features,
  labels: Int32Array,
  n: number,
): Promise<[RouterAccuracy, RouterAccuracy | null]> {
  using logits = noGrad(() => scope(() => router.forward(tensor(values, { device, shape: [labels.length, width] }))));
  const all = await logits.data();
  const E = logits.shape[1];
  const right = Array.from(labels, (label, row) => {
    const own = Array.from(all.subarray(row * E, (row + 1) * E));
    return own.indexOf(Math.max(...own)) === label;
  });
  const share = (part: readonly boolean[]) => ({ correct: part.filter(Boolean).length, total: part.length });
  return [share(right.slice(0, n)), n < right.length ? share(right.slice(n)) : null];
}
