import { OptionError } from "../../../engine/index.js";
import { KeyValueCache } from "../../decoder/key-value-cache.js";
import { IMAGE_TOKEN } from "../input/image-tokens.js";
import type { MedMoeNetwork } from "../network/network.js";

/** What a prompt is made of: ids with IMAGE_TOKEN in the place of each image, and the images' pixels in their order. */
export interface ChatPrompt {
  readonly ids: readonly number[];
  readonly images: readonly Float32Array[];
}

/** Where a prompt goes on from. */
export interface Begun {
  /** Its tokens are those that the prompt begins with; it has the room that was asked for. */
  readonly cache: KeyValueCache;
  /** Leading ids of the prompt that are in the cache, never all of them. */
  readonly ids: number;
  /** Images among these. */
  readonly images: number;
}

/**
 * Keys and values of a conversation so far, so that its next turn computes only what is new. It belongs to one conversation with
 * one model; whoever made it disposes it. What is computed in two turns instead of one may differ in its last bits.
 */
export class ChatMemory implements Disposable {
  #network: MedMoeNetwork | null = null;
  #cache: KeyValueCache | null = null;
  #known: ChatPrompt = { ids: [], images: [] };
  #busy = false;

  /** Throws OptionError while an answer is being made. @internal */
  begin(network: MedMoeNetwork, prompt: ChatPrompt, capacity: number): Begun {
    if (this.#busy) throw new OptionError("chat: this memory is answering already. Give each conversation its own.");
    if (this.#network !== network) this.dispose();
    this.#network = network;
    const { device, dtype } = network.model.embed_tokens.weight;
    const { config } = network.model;
    let cache = this.#cache ?? new KeyValueCache(config, { device, dtype: dtype as "f32", batch: 1, capacity });
    const { ids, images, rows } = common(this.#known, prompt, network.imageRows, cache.length);
    cache.truncate(rows);
    if (cache.capacity < capacity) cache = cache.resized(config, capacity);
    this.#cache = cache;
    this.#busy = true;
    return { cache, ids, images };
  }

  /** `known` is what the cache's tokens come from, and at most one token more. @internal */
  end(known: ChatPrompt): void {
    this.#known = known;
    this.#busy = false;
  }

  /** Frees the memory. A conversation that goes on with it computes everything once more. */
  dispose(): void {
    this.#cache?.dispose();
    this.#cache = null;
    this.#known = { ids: [], images: [] };
    this.#busy = false;
  }

  /** `using` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** What two prompts begin with, as far as it fills `most` rows at most, and but the last id of the second. */
function common(a: ChatPrompt, b: ChatPrompt, imageRows: number, most: number) {
  const begun = { ids: 0, images: 0, rows: 0 };
  while (begun.ids < b.ids.length - 1 && a.ids[begun.ids] === b.ids[begun.ids]) {
    const isImage = b.ids[begun.ids] === IMAGE_TOKEN;
    const rows = begun.rows + (isImage ? imageRows : 1);
    if (rows > most || (isImage && !same(a.images[begun.images], b.images[begun.images]))) break;
    begun.ids++;
    begun.images += isImage ? 1 : 0;
    begun.rows = rows;
  }
  return begun;
}

const same = (a: Float32Array, b: Float32Array) => a.length === b.length && a.every((value, i) => value === b[i]);
