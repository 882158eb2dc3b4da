import { type Binding, BYTES, type Memory } from "../bindings/device.js";
import type { DType } from "../kernels/contract.js";
import { OutOfMemoryError } from "./errors.js";

export interface MemoryReport {
  /** Bytes in live tensors, saved tensors and buffers of the engine. */
  readonly live: number;
  /** Bytes kept for reuse. */
  readonly pooled: number;
  /** Largest live bytes since the device was opened or `resetPeak`. */
  readonly peak: number;
  readonly budget: number;
  /** Live allocations. */
  readonly allocations: number;
}

/** Rounded up so that sizes that differ a little share memory: multiples of 64 up to 512, then eight steps a doubling. */
export function sizeClass(bytes: number): number {
  if (bytes <= 512) return Math.max(64, Math.ceil(bytes / 64) * 64);
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}

/**
 * Reuses memory by size class. Launches run in the order they are enqueued, so memory given back can be taken again at
 * once. The budget covers live and pooled bytes: pooled ones are freed before an allocation is refused.
 */
export class Pool {
  #binding: Binding;
  #free = new Map<number, Memory[]>();
  #live = 0;
  #pooled = 0;
  #peak = 0;
  #allocations = 0;
  readonly budget: number;

  constructor(binding: Binding, budget: number) {
    this.#binding = binding;
    this.budget = budget;
  }

  take(length: number, dtype: DType, label: string): { memory: Memory; bytes: number } {
    const bytes = sizeClass(length * BYTES[dtype]);
    const list = this.#free.get(bytes);
    let memory = list?.pop();
    if (memory) this.#pooled -= bytes;
    else memory = this.#allocate(bytes, dtype, label);
    this.#live += bytes;
    this.#allocations++;
    if (this.#live > this.#peak) this.#peak = this.#live;
    return { memory, bytes };
  }

  give(memory: Memory, bytes: number): void {
    this.#live -= bytes;
    this.#allocations--;
    this.#pooled += bytes;
    const list = this.#free.get(bytes);
    if (list) list.push(memory);
    else this.#free.set(bytes, [memory]);
  }

  #allocate(bytes: number, dtype: DType, label: string): Memory {
    if (this.#live + this.#pooled + bytes > this.budget) this.trim();
    if (this.#live + bytes > this.budget) throw this.#exhausted(bytes, label);
    try {
      return this.#binding.allocate(bytes / BYTES[dtype], dtype);
    } catch (cause) {
      this.trim();
      try {
        return this.#binding.allocate(bytes / BYTES[dtype], dtype);
      } catch {
        throw this.#exhausted(bytes, label, cause);
      }
    }
  }

  #exhausted(bytes: number, label: string, cause?: unknown): OutOfMemoryError {
    const mib = (n: number) => `${(n / 2 ** 20).toFixed(1)} MiB`;
    return new OutOfMemoryError(
      `${label}: ${mib(bytes)} do not fit: ${mib(this.#live)} of ${mib(this.budget)} are in use. ` +
        "Use a smaller batch, activation checkpointing, or a larger memoryBudget.",
      { cause },
    );
  }

  /** Frees what is pooled. */
  trim(): void {
    for (const list of this.#free.values()) for (const memory of list) this.#binding.release(memory);
    this.#free.clear();
    this.#pooled = 0;
  }

  report(): MemoryReport {
    return {
      live: this.#live,
      pooled: this.#pooled,
      peak: this.#peak,
      budget: this.budget,
      allocations: this.#allocations,
    };
  }

  resetPeak(): void {
    this.#peak = this.#live;
  }
}
