import type { Buffers, WebGpuMemory } from "./buffer.js";

/**
 * Memory that only the launches of a pass share. It is grown to the largest need of any: launches run in order, so all
 * passes share it. When debugging each pass has its own, until `takeChecked`.
 */
export class Scratch {
  /** Of all that is not released. */
  ownBytes = 0;
  readonly #buffers: Buffers;
  readonly #release: (memory: WebGpuMemory) => void;
  #shared: WebGpuMemory | null = null;
  #checked: WebGpuMemory[] | null;

  /** `release` frees memory when no work that is under way uses it. */
  constructor(buffers: Buffers, release: (memory: WebGpuMemory) => void, debug: boolean) {
    this.#buffers = buffers;
    this.#release = release;
    this.#checked = debug ? [] : null;
  }

  /** At least `bytes`. What is `recorded` stays until `unrecorded`. */
  get(bytes: number, recorded: boolean): WebGpuMemory {
    if (this.#checked && !recorded) {
      const fresh = this.#allocate(bytes);
      this.#checked.push(fresh);
      return fresh;
    }
    if (this.#shared && this.#shared.bytes >= bytes) return this.#shared;
    if (this.#shared?.recordings === 0) this.release(this.#shared);
    this.#shared = this.#allocate(bytes);
    return this.#shared;
  }

  /** Frees what a recording that is gone was the last to use. */
  unrecorded(memories: Iterable<WebGpuMemory>): void {
    for (const memory of memories) if (memory !== this.#shared && memory.recordings === 0) this.release(memory);
  }

  /** When debugging: that of each pass since the last call, to be checked and released. */
  takeChecked(): WebGpuMemory[] {
    return this.#checked?.splice(0) ?? [];
  }

  release(memory: WebGpuMemory): void {
    this.ownBytes -= memory.bytes;
    this.#release(memory);
  }

  #allocate(bytes: number): WebGpuMemory {
    const memory = this.#buffers.allocate(bytes);
    this.ownBytes += memory.bytes;
    return memory;
  }
}
