import type { Binding } from "../../bindings/device.js";
import { callBinding } from "./binding-error.js";
import type { Storage } from "./storage.js";

/** Where a device's random stream stands. */
export interface RandomState {
  /** What `seed` was given. */
  seed: number;
  /** Random ops so far. */
  sequence: number;
}

/** The device's side of the random stream: each random op is keyed by the seed, which kernels read, and its number. */
export class RandomStream {
  /** u32[4]: seed (2 words), an offset that replays raise, unused. */
  readonly storage: Storage;
  readonly #binding: Binding;
  #seed = 0;
  #sequence = 0;

  constructor(binding: Binding, storage: Storage) {
    this.#binding = binding;
    this.storage = storage;
    this.seed(0);
  }

  /** Starts again under this seed. */
  seed(seed: number): void {
    this.#seed = seed;
    this.#sequence = 0;
    this.#write(0);
  }

  get state(): RandomState {
    return { seed: this.#seed, sequence: this.#sequence };
  }

  /** The number of the next random op. */
  next(): number {
    return this.#sequence++;
  }

  /** The op of this number is the next. */
  goTo(sequence: number): void {
    this.#sequence = sequence;
  }

  /** Enqueues launches that drew `count` random numbers from `first` on, and has them draw the next ones instead. */
  drawAgain(first: number, count: number, enqueue: () => void): void {
    if (count > 0) this.#write(this.#sequence - first);
    enqueue();
    if (count > 0) this.#write(0);
    this.#sequence += count;
  }

  #write(offset: number): void {
    const words = new Uint32Array([this.#seed >>> 0, Math.floor(this.#seed / 2 ** 32) >>> 0, offset >>> 0, 0]);
    callBinding(() => this.#binding.write(this.storage.memory, words, "u32"));
  }
}
