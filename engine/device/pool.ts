import { type Binding, BYTES, type Memory } from "../../bindings/device.js";
import { DeviceLost, DriverError, TooLarge } from "../../bindings/errors.js";
import type { DType } from "../../kernels/contract.js";
import { OutOfMemoryError } from "../errors.js";
import { bindingError } from "./binding-error.js";

/** Memory of a device, in bytes. */
export interface MemoryReport {
  /** Bytes in live tensors, saved tensors and buffers of the engine. */
  readonly live: number;
  /**
   * Bytes of files that tensors lie over without a copy: pages of the system's cache, which processes share and the system may
   * drop and read again; those that were written to are the process's own memory. No part of live, peak or budget.
   */
  readonly mapped: number;
  /** Bytes kept for reuse. */
  readonly pooled: number;
  /** Bytes that the device holds for itself: scratch of kernels, params, recordings, staging of reads. */
  readonly own: number;
  /** Largest live bytes since the device was opened. */
  readonly peak: number;
  /** Upper bound of live, pooled and own bytes together. */
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

const mib = (n: number) => `${(n / 2 ** 20).toFixed(1)} MiB`;

function tooLarge(cause: TooLarge, bytes: number, label: string): OutOfMemoryError {
  return new OutOfMemoryError(
    `${label}: ${mib(bytes)} in one tensor; this device holds at most ${mib(cause.limit)} in one. ` +
      "Use a smaller batch, split the tensor, or use the cpu device.",
    { cause },
  );
}

/** Free memory by size class. What was allocated first is taken first. */
class FreeLists {
  readonly #lists = new Map<number, { memory: Memory; order: number }[]>();

  take(bytes: number): Memory | undefined {
    return this.#lists.get(bytes)?.pop()?.memory;
  }

  put(memory: Memory, bytes: number, order: number): void {
    let list = this.#lists.get(bytes);
    if (!list) {
      list = [];
      this.#lists.set(bytes, list);
    }
    // Last is first: mostly it goes to the end, since scopes give back the youngest first.
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle].order > order) low = middle + 1;
      else high = middle;
    }
    if (low === list.length) list.push({ memory, order });
    else list.splice(low, 0, { memory, order });
  }

  *all(): Generator<[memory: Memory, bytes: number]> {
    for (const [bytes, list] of this.#lists) for (const { memory } of list) yield [memory, bytes];
  }

  clear(): void {
    this.#lists.clear();
  }
}

/**
 * Reuses memory by size class, the oldest first: steps that are alike get the same memory for the same tensors, so that
 * what a device prepares for a launch and its memory (bind groups) is found again. Launches run in the order they are
 * enqueued, so memory given back can be taken again at once. The budget covers live and pooled bytes and the device's own:
 * pooled ones are freed before an allocation is refused.
 */
export class Pool {
  #binding: Binding;
  #free = new FreeLists();
  /** When each memory was allocated. */
  #order = new Map<Memory, number>();
  #live = 0;
  #pooled = 0;
  #peak = 0;
  #allocations = 0;
  /** Free memory of each reserve, and the reserve of each memory that belongs to one. */
  #reserves = new Map<number, FreeLists>();
  #home = new Map<Memory, number>();
  #opened = 0;
  #allocated = 0;
  /** The reserve that `take` takes from. */
  current: number | null = null;
  /** Bytes of files under tensors, which are never pooled. */
  mapped = 0;
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
    const own = this.current === null ? undefined : this.#reserves.get(this.current)?.take(bytes);
    if (own) return { memory: own, bytes };
    let memory = this.#debug ? undefined : this.#free.take(bytes);
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
      this.#reserves.get(home)?.put(memory, bytes, this.#order.get(memory) as number);
      return;
    }
    this.#live -= bytes;
    this.#allocations--;
    this.#pooled += bytes;
    this.#free.put(memory, bytes, this.#order.get(memory) as number);
  }

  /**
   * Memory that stays with one captured step: what is taken while `current` is the reserve comes back to it alone, and
   * counts as live until it is closed.
   */
  openReserve(): number {
    this.#reserves.set(++this.#opened, new FreeLists());
    return this.#opened;
  }

  closeReserve(reserve: number): void {
    const free = this.#reserves.get(reserve);
    this.#reserves.delete(reserve);
    for (const [memory, home] of this.#home) if (home === reserve) this.#home.delete(memory);
    for (const [memory, bytes] of free?.all() ?? []) this.give(memory, bytes);
  }

  /** Whether it belongs to the reserve that `take` takes from. */
  inReserve(memory: Memory): boolean {
    return this.current !== null && this.#home.get(memory) === this.current;
  }

  /**
   * Throws OutOfMemoryError for an upload that does not fit beside what is in use and the uploads that wait for the device.
   * Where none waits it always fits: the memory that it goes to is there.
   */
  admit(bytes: number): void {
    const waiting = this.#binding.waitingUploads ?? 0;
    if (waiting === 0 || this.#live + this.#binding.ownBytes + bytes <= this.budget) return;
    throw new OutOfMemoryError(
      `upload: ${mib(bytes)} do not fit: ${mib(waiting)} of uploads wait for the device already, with ${mib(this.#live)} ` +
        `of tensors, in a budget of ${mib(this.budget)}. Await device.ready() once a step.`,
    );
  }

  #allocate(bytes: number, dtype: DType, label: string): Memory {
    const used = this.#live + this.#binding.ownBytes;
    if (used + this.#pooled + bytes > this.budget) this.trim();
    if (used + bytes > this.budget) throw this.#exhausted(bytes, label);
    const allocate = () => {
      const memory = this.#binding.allocate(bytes / BYTES[dtype], dtype);
      this.#order.set(memory, this.#allocated++);
      return memory;
    };
    try {
      return allocate();
    } catch (cause) {
      if (cause instanceof DeviceLost) throw bindingError(cause);
      if (cause instanceof TooLarge) throw tooLarge(cause, bytes, label);
      this.trim();
      try {
        return allocate();
      } catch (again) {
        if (again instanceof DeviceLost) throw bindingError(again);
        throw this.#exhausted(bytes, label, cause);
      }
    }
  }

  #exhausted(bytes: number, label: string, cause?: unknown): OutOfMemoryError {
    // The budget may have room where the memory has none: others use it, too.
    const refusal = cause instanceof DriverError ? ` The device refused it: ${cause.message}.` : "";
    return new OutOfMemoryError(
      `${label}: ${mib(bytes)} do not fit: ${mib(this.#live + this.#binding.ownBytes)} of ${mib(this.budget)} are in use.${refusal} ` +
        `Use a smaller batch, activation checkpointing${refusal ? "" : ", or a larger `memoryBudget`"}.`,
      { cause },
    );
  }

  /** Frees what is pooled. */
  trim(): void {
    for (const [memory] of this.#free.all()) {
      this.#order.delete(memory);
      this.#binding.release(memory);
    }
    this.#free.clear();
    this.#pooled = 0;
  }

  report(): MemoryReport {
    return {
      live: this.#live,
      mapped: this.mapped,
      pooled: this.#pooled,
      own: this.#binding.ownBytes,
      peak: this.#peak,
      budget: this.budget,
      allocations: this.#allocations,
    };
  }

  resetPeak(): void {
    this.#peak = this.#live;
  }
}
