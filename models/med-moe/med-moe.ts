import {
  OptionError,
  refuseUnknown,
  requireDevice,
  requireObject,
  requireText,
  type Tensor,
} from "../../engine/index.js";
import type { Message } from "../text/message.js";
import type { TextTokenizer } from "../text/text-tokenizer.js";
import { hasTokenizer, loadTokenizer } from "../text/tokenizer-folder.js";
import { type AnswerSettings, MedMoeAnswerer } from "./asking/answerer.js";
import { type ChatEnd, type ChatOptions, chat } from "./asking/chat.js";
import { type LoadedMedMoe, loadMedMoe, type MedMoeLoadOptions } from "./folder/load.js";
import { type Template, templateNamed, templateOf } from "./input/template.js";
import type { MedMoeNetwork } from "./network/network.js";
import type { Sample } from "./network/splice.js";

const LOAD = "MedMoe.load";

/** What `MedMoe.load` takes besides the folder. */
export interface MedMoeOptions extends MedMoeLoadOptions {
  /** Name of the template by which conversations are written. Default: by the folder's name, else by the model's family. */
  readonly template?: string;
}

/** Every option by its name: what is none of them is refused. */
const OPTIONS: Readonly<Record<keyof MedMoeOptions, 1>> = {
  device: 1,
  dtype: 1,
  base: 1,
  tower: 1,
  projector: 1,
  router: 1,
  topK: 1,
  mapped: 1,
  seed: 1,
  template: 1,
};

/**
 * A Med-MoE model, or one on the way to it, that talks about images.
 *
 *     const model = await MedMoe.load("llavastablelm-1.6b-medmoe", { device });
 *     const messages = [{ role: "user", text: "<image>\nWhat does this show?" }];
 *     for await (const piece of model.chat(messages, { images: ["chest.jpg"] })) process.stdout.write(piece);
 *     model.dispose();
 */
export class MedMoe {
  /** The network, in `eval()` mode. */
  readonly network: MedMoeNetwork;
  /** Text to ids and back; null where the folder has no tokenizer. */
  readonly tokenizer: TextTokenizer | null;
  /** How conversations are written. */
  readonly template: Template;
  /** Where it was loaded from. */
  readonly folder: string;
  /** What loading did beside copying. */
  readonly loaded: Omit<LoadedMedMoe, "network">;

  private constructor(
    folder: string,
    { network, ...loaded }: LoadedMedMoe,
    tokenizer: TextTokenizer | null,
    template: Template,
  ) {
    this.folder = folder;
    this.network = network;
    this.loaded = loaded;
    this.tokenizer = tokenizer;
    this.template = template;
  }

  /**
   * Loads a folder in the published layout: see `loadMedMoe`. Its tokenizer is that of the folder, else that of `base`. Rejects
   * with an OptionError that lists the templates for one that there is not, before anything is loaded. It is for answering, so `mapped`
   * is true unless said otherwise.
   */
  static async load(folder: string, options: MedMoeOptions): Promise<MedMoe> {
    requireText(LOAD, folder, "the model's folder, a path,");
    requireObject(LOAD, options, "the second argument, { device },");
    requireDevice(LOAD, options.device);
    refuseUnknown(LOAD, options, OPTIONS);
    const named = options.template === undefined ? null : templateNamed(options.template);
    const loaded = await loadMedMoe(folder, { ...options, mapped: options.mapped ?? true });
    const { network } = loaded;
    try {
      const { family, json } = network.config;
      const tokenizer = await tokenizerOf([folder, options.base], family);
      const template = named ?? templateOf(lastName(folder), String(json.model_type));
      return new MedMoe(folder, loaded, tokenizer, template);
    } catch (error) {
      network.dispose();
      throw error;
    }
  }

  /**
   * The answer to a conversation's last message, in pieces of whole characters as they are chosen, without blanks around it:
   *
   *     for await (const piece of model.chat(messages, { images, signal })) process.stdout.write(piece);
   *
   * Messages alternate, the user's first and last; `<image>` stands in a message where an image goes. The iterator's return
   * value says how it ended; what it holds is freed when it ends, is closed, or is aborted.
   *
   * Throws OptionError, before anything is computed, for messages that are none or do not alternate, for images without a place
   * or places without an image, and for a conversation that leaves no position for an answer; NotANumberError where logits are
   * NaN.
   */
  chat(messages: readonly Message[], options: ChatOptions = {}): AsyncGenerator<string, ChatEnd> {
    return chat({ network: this.network, tokenizer: this.#words, template: this.template }, messages, options);
  }

  /** Puts questions of an evaluation to the model, each by itself. Default template: the model's. */
  answerer(settings: Omit<AnswerSettings, "template"> & { readonly template?: Template } = {}): MedMoeAnswerer {
    return new MedMoeAnswerer(this.network, this.#words, { template: this.template, ...settings });
  }

  get #words(): TextTokenizer {
    if (this.tokenizer) return this.tokenizer;
    throw new OptionError(
      `${this.folder} has no tokenizer, so that it understands no words: neither tokenizer.json nor vocab.json with merges.txt. Copy those of its language model there.`,
    );
  }

  /**
   * Logits [B, T, vocabulary] of ids with -200 in the place of each image, and of `pixels` [N, 3, S, S], an image for each
   * placeholder in their order, and one, unseen, for each text without any; null where there are no images at all.
   */
  forward(samples: readonly Sample[], pixels: Tensor | null): Tensor {
    return this.network.forward(samples, pixels);
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

async function tokenizerOf(folders: readonly (string | undefined)[], family: "stablelm" | "phi") {
  for (const folder of folders)
    if (folder !== undefined && (await hasTokenizer(folder))) return (await loadTokenizer(folder, family)).tokenizer;
  return null;
}

/** Of a path. */
const lastName = (path: string) => path.split(/[\\/]/).findLast((name) => name !== "" && name !== ".") ?? "";
