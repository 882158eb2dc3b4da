import { setImmediate } from "node:timers/promises";
import { type ChatEnd, ChatMemory, type ChatOptions, type MedMoe, type Message } from "../../../models/index.js";
import { countImages, IMAGE } from "../../../models/text/message.js";

type Images = NonNullable<ChatOptions["images"]>;

/** A conversation that goes on: what was said, the images that were shown, and what the model remembers of it. */
export class ChatSession implements Disposable {
  readonly #model: MedMoe;
  readonly #options: ChatOptions;
  readonly #memory = new ChatMemory();
  #messages: Message[] = [];
  #images: Images[number][] = [];
  /** Of the images, those that the next message shows. */
  #waiting = 0;

  constructor(model: MedMoe, options: ChatOptions) {
    this.#model = model;
    this.#options = options;
  }

  /** The next message shows this image, too. */
  show(image: Images[number]): void {
    this.#images.push(image);
    this.#waiting++;
  }

  /** Forgets what was said and shown. */
  clear(): void {
    this.#messages = [];
    this.#images = [];
    this.#waiting = 0;
  }

  /**
   * The answer, piece by piece. Images that wait stand in front of the text, unless it has places for them. An answer that was
   * stopped counts as far as it came; a message that got none is taken back.
   */
  async *ask(text: string, signal: AbortSignal): AsyncGenerator<string, ChatEnd> {
    const places = countImages(text) > 0 ? "" : `${IMAGE}\n`.repeat(this.#waiting);
    const messages: Message[] = [...this.#messages, { role: "user", text: places + text }];
    // Each turn has random numbers of its own.
    const seed = (this.#options.seed ?? 0) + (messages.length - 1) / 2;
    const asked = { ...this.#options, images: this.#images, seed, signal, memory: this.#memory };
    let said = "";
    const answered = () => {
      this.#messages = [...messages, { role: "assistant", text: said }];
      this.#waiting = 0;
    };
    try {
      const chat = this.#model.chat(messages, asked);
      for (let next = await chat.next(); ; next = await chat.next()) {
        if (next.done) {
          answered();
          return next.value;
        }
        said += next.value;
        yield next.value;
        // A device that computes at once would let nobody press Ctrl-C.
        await setImmediate();
      }
    } catch (error) {
      if (signal.aborted && error === signal.reason && said !== "") answered();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#memory.dispose();
  }
}
