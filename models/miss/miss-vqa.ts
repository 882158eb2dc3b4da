import { type Device, io, nn, noGrad, scope, type Tensor, tensor, type WarmUpOptions } from "../../engine/index.js";
import { ImageStore } from "../data/image-store.js";
import type { VqaRecord } from "../data/record.js";
import { type ImageSource, imagePixels } from "../images/load-image.js";
import { adaptersBeside, loadAdapters } from "./adapters.js";
import { type Caption, type CaptionOptions, caption } from "./caption.js";
import { loadNetwork } from "./checkpoint.js";
import { type FeatureInput, type Features, features } from "./features.js";
import type { LoadReport } from "./load-parameters.js";
import { type ModelFolder, readModelFolder, scalings } from "./model-folder.js";
import { MissNetwork } from "./network.js";
import { type Answering, type Prediction, predict, walkAnswer } from "./predict.js";
import { MissTokenizer } from "./tokenizer.js";
import { refuseUnfinished } from "./unfinished.js";

/** How a question is answered. */
export interface AnswerOptions {
  /** Stops between questions; the promise rejects with its reason. */
  signal?: AbortSignal;
  /** Default: as the model's folder says. */
  answering?: Answering;
}

/**
 * A MISS model that answers questions about images.
 *
 *     const model = await MissVqa.load("runs/organ", { device });
 *     const { answer, probability } = await model.answer("chest.jpg", "Which part of the body does this image show?");
 *     model.dispose();
 */
export class MissVqa {
  /** The network, in `eval()` mode. */
  readonly network: MissNetwork;
  /** Text to ids and back, by the model's own vocabulary. */
  readonly tokenizer: MissTokenizer;
  /** What the folder says besides the weights. */
  readonly folder: ModelFolder;
  /** What loading did beside copying. */
  readonly loaded: LoadReport;

  private constructor(network: MissNetwork, folder: ModelFolder, loaded: LoadReport) {
    this.network = network.eval();
    this.folder = folder;
    this.loaded = loaded;
    this.tokenizer = new MissTokenizer(folder.pieces);
  }

  /** Loads config.json, vocab.txt and model.safetensors of a folder, and the adapters that it names. */
  static async load(path: string, { device }: { device: Device }): Promise<MissVqa> {
    await refuseUnfinished(path);
    const folder = await readModelFolder(path);
    const reader = await io.openCheckpoint(path);
    try {
      // Memory is taken when the weights come: sizes of which the file has no tensors ask for none.
      const network = new MissNetwork(new nn.Initializer(device, 0, { empty: true }), folder.config);
      try {
        const loaded = await loadNetwork(network, reader);
        await loadAdapters(network, adaptersBeside(path, folder));
        return new MissVqa(network, folder, loaded);
      } catch (error) {
        network.dispose();
        throw error;
      }
    } finally {
      await reader.close();
    }
  }

  /**
   * Compiles what answering a question takes, in the background and all at once; without it the first answer compiles one
   * kernel after the other. Resolves at once on devices that compile nothing (cpu).
   */
  async warmUp(options: WarmUpOptions & Pick<AnswerOptions, "answering"> = {}): Promise<void> {
    const { answering = this.folder.answering } = options;
    await this.network.warmUp(() => walkAnswer(this.network, this.tokenizer, answering), options);
  }

  /** Answers one question about an image: a path, the bytes of an image file, or RGB pixels. */
  async answer(image: ImageSource, question: string, options: AnswerOptions = {}): Promise<Prediction> {
    const { store, name } = await this.#storeOf(image, options.signal);
    const [found] = await this.answerAll([{ image: name, question, answer: "", qid: "", row: 0 }], store, options);
    return found;
  }

  /**
   * States of the last layer for an image, a text, or a text in the light of an image:
   * `await model.features({ mode: "multimodal", image: "chest.jpg", text: "an enlarged heart" })`.
   */
  async features(input: FeatureInput<ImageSource>): Promise<Features> {
    if (input.mode === "text") return features(this.network, this.tokenizer, input);
    using image = await this.#pixels(input.image);
    return await features(this.network, this.tokenizer, { ...input, image });
  }

  /**
   * Writes a caption of an image, by a model that `consilium pretrain miss` made, or one that was tuned on captions from
   * there: `await model.caption("chest.jpg", { method: "nucleus", seed: 1 })`.
   */
  async caption(image: ImageSource, options: CaptionOptions = {}): Promise<Caption> {
    using pixels = await this.#pixels(image, options.signal);
    using states = noGrad(() => scope(() => this.network.visual_encoder.forward(pixels)));
    return await caption(this.network, this.tokenizer, states, options);
  }

  /** An image as the model wants it: f32 [1, 3, S, S]. */
  async #pixels(image: ImageSource, signal?: AbortSignal): Promise<Tensor> {
    const { store, name } = await this.#storeOf(image, signal);
    const { imageSize } = this.folder.config;
    const { device } = this.network.visual_encoder.cls_token;
    return tensor(store.batch([name]), { device, shape: [1, 3, imageSize, imageSize] });
  }

  async #storeOf(image: ImageSource, signal?: AbortSignal): Promise<{ store: ImageStore; name: string }> {
    const store = this.imageStore();
    const name = typeof image === "string" ? image : "image";
    if (typeof image === "string") await store.load([image], signal);
    else store.add(name, await imagePixels(image, name));
    return { store, name };
  }

  /** Answers the questions of a data set, `batch` padded together, of which `atATime` are computed at a time: all where absent. */
  async answerAll(
    records: readonly VqaRecord[],
    images: ImageStore,
    options: AnswerOptions & {
      batch?: number;
      atATime?: number;
      onProgress?: (done: number, total: number) => void;
    } = {},
  ): Promise<Prediction[]> {
    const { answering = this.folder.answering, batch = 100 } = options;
    return predict(this.network, this.tokenizer, images, records, { ...options, answering, batch });
  }

  /** An image store that prepares images as this model wants them. */
  imageStore(): ImageStore {
    return new ImageStore(this.folder.config.imageSize, scalings[this.folder.scaling]);
  }

  /** Frees the weights. */
  dispose(): void {
    this.network.dispose();
  }

  /** `using` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
