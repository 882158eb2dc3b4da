import { type Binding, BYTES, type Memory } from "../bindings/device.js";
import type { DType } from "../kernels/contract.js";
import { OutOfMemoryError } from "./errors.js";

/** Memory of a device, in bytes. */
export interface MemoryReport {
  /** Bytes in live tensors, saved tensors and buffers of the engine. */
  readonly live: number;
  /** Bytes kept for reuse. */
  readonly pooled: number;
  /** Largest live bytes since the device was opened or `resetPeak`. */
  readonly peak: number;
  /** Upper bound of live plus pooled. */
  readonly budget: number;
  /** Live allocations. */
  readonly allocations: number;
}

/** Rounded up so that sizes that differ a little share memory: multiples of 64 up to 512, then eight steps a doubling. */
export function sizeClass(bytes: number): number {
  if (bytes <= 512) return Math.max(64, Math.ceil(bytes / 64) * 64);
  // An eighth of the power of two below; the shift is on the path of every op.
  const step = bytes < 2 ** 31 ? 1 << (28 - Math.clz32(bytes)) : 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}

function put(lists: Map<number, Memory[]>, memory: Memory, bytes: number): void {
  const list = lists.get(bytes);
  if (list) list.push(memory);
  else lists.set(bytes, [memory]);
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
  /** Free memory of each reserve, and the reserve of each memory that belongs to one. */
  #reserves = new Map<number, Map<number, Memory[]>>();
  #home = new Map<Memory, number>();
  #opened = 0;
  /** The reserve that `take` takes from. */
  current: number | null = null;
  readonly budget: number;
  /**
   * Every allocation is new and exact: a guard zone begins at the first byte past the tensor, and nothing is found in
   * memory but poison. What is given back stays untouched until `trim` or the budget frees it.
   */
  readonly #debug: boolean;

  constructor(binding: Binding, budget: number, debug = false) {
    this.#binding = binding;
    this.budget = budget;
    this.#debug = debug;
  }

  take(length: number, dtype: DType, label: string): { memory: Memory; bytes: number } {
    const size = length * BYTES[dtype];
    const bytes = this.#debug ? size : sizeClass(size);
    const own = this.current === null ? undefined : this.#reserves.get(this.current)?.get(bytes)?.pop();
    if (own) return { memory: own, bytes };
    let memory = this.#debug ? undefined : this.#free.get(bytes)?.pop();
    if (memory) this.#pooled -= bytes;
    else memory = this.#allocate(bytes, dtype, label);
    this.#live += bytes;
    this.#allocations++;
    if (this.#live > this.#peak) this.#peak = this.#live;
    if (this.current !== null) this.#home.set(memory, this.current);
    return { memory, bytes };
  }

  give(memory: Memory, bytes: number): void {
    const home = this.#home.get(memory);
    if (home !== undefined) {
      put(this.#reserves.get(home) as Map<number, Memory[]>, memory, bytes);
      return;
    }
    this.#live -= bytes;
    this.#allocations--;
    this.#pooled += bytes;
    put(this.#free, memory, bytes);
  }

  /**
   * Memory that stays with one captured step: what is taken while `current` is the reserve comes back to it alone, and
   * counts as live until it is closed.
   */
  openReserve(): number {
    this.#reserves.set(++this.#opened, new Map());
    return this.#opened;
  }

  closeReserve(reserve: number): void {
    const free = this.#reserves.get(reserve);
    this.#reserves.delete(reserve);
    for (const [memory, home] of this.#home) if (home === reserve) this.#home.delete(memory);
    for (const [bytes, list] of free ?? []) for (const memory of list) this.give(memory, bytes);
  }

  /** Whether it belongs to the reserve that `take` takes from. */
  inReserve(memory: Memory): boolean {
    return this.current !== null && this.#home.get(memory) === this.current;
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
