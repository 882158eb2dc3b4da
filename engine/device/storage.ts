import type { Memory } from "../../bindings/device.js";
import type { Device } from "./device.js";

/** Memory of the pool, and the bytes of its size class. */
export interface Taken {
  readonly memory: Memory;
  readonly bytes: number;
}

/**
 * Device memory behind tensors and views, counted: each live tensor and each saved entry of the tape holds one count.
 * Users never see the counts; at zero the memory returns to the pool, or the pages of a file to the system.
 */
export class Storage {
  readonly device: Device;
  /** Null before its first use where it is taken only then. */
  #memory: Memory | null;
  #bytes: number;
  readonly #take: (() => Taken) | null;
  /** Whether the memory is pages of a file. */
  #mapped = false;
  /** Rises with each change in place: a saved tensor whose storage changed cannot give a gradient any more. */
  version = 0;
  refs = 1;

  /** With memory, or with what takes it at its first use. */
  constructor(device: Device, taken: Taken | (() => Taken)) {
    const lazy = typeof taken === "function";
    this.device = device;
    this.#memory = lazy ? null : taken.memory;
    this.#bytes = lazy ? 0 : taken.bytes;
    this.#take = lazy ? taken : null;
  }

  get memory(): Memory {
    return this.#memory ?? this.#first();
  }

  /** Takes memory now, where it would be taken at its first use. */
  take(): void {
    if (!this.#memory) this.#first();
  }

  #first(): Memory {
    const { memory, bytes } = (this.#take as () => Taken)();
    this.#memory = memory;
    this.#bytes = bytes;
    return memory;
  }

  /** Pages of a file take the place of its memory. */
  map(memory: Memory): void {
    this.#letGo();
    this.#memory = memory;
    this.#mapped = true;
    this.changed();
  }

  /** Notes a change in place: not those of a warm-up, which do not happen. */
  changed(): void {
    if (!this.device.mode.warming) this.version++;
  }

  retain(): void {
    this.refs++;
  }

  release(): void {
    if (--this.refs === 0) this.#letGo();
  }

  #letGo(): void {
    if (!this.#memory) return;
    if (this.#mapped) this.device.unmap(this.#memory);
    else this.device.pool.give(this.#memory, this.#bytes);
  }
}
