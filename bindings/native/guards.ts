/**
 * Debug allocations: a guard zone before and after each, fresh memory poisoned. The patterns read as NaN in f32, bf16
 * and f16 and as absurd integers, so that a read outside, or before the first write, shows in the result. They differ: a value
 * that a kernel reads on one side and writes on the other shows as well.
 */
import type { NativeQueue } from "./addon.js";

const BEFORE_PATTERN = 0x7fe57fe5;
const AFTER_PATTERN = 0x7fea7fea;
const POISON_PATTERN = 0x7fc07fc0;

const filled = (pattern: number, bytes: number) =>
  new Uint8Array(new Uint32Array(Math.ceil(bytes / 4)).fill(pattern).buffer, 0, bytes);

/** Zones of `size` bytes, a multiple of 4. */
export class Guards {
  readonly size: number;
  readonly #native: NativeQueue;
  readonly #before: Uint8Array;
  readonly #after: Uint8Array;

  constructor(native: NativeQueue, size: number) {
    this.size = size;
    this.#native = native;
    this.#before = filled(BEFORE_PATTERN, size);
    this.#after = filled(AFTER_PATTERN, size);
  }

  /** Fills the zones around `bytes` bytes at `address + size`, and poisons what lies between. */
  fill(address: number, bytes: number): void {
    this.#native.write(address, this.#before);
    if (bytes > 0) this.#native.fill(address + this.size, bytes, POISON_PATTERN);
    this.#native.write(address + this.size + bytes, this.#after);
  }

  /** The first damaged byte of the zones, described; null where they are whole. */
  async check(address: number, bytes: number): Promise<string | null> {
    const { size } = this;
    const zones = [address, address + size + bytes].map((start) => this.#native.read(start, size));
    const [before, after] = (await Promise.all(zones)).map((zone) => new Uint8Array(zone));
    const early = before.findLastIndex((value, i) => value !== this.#before[i]);
    if (early >= 0) return `${bytes} bytes allocated, written ${size - early} bytes before the start`;
    const late = after.findIndex((value, i) => value !== this.#after[i]);
    if (late >= 0) return `${bytes} bytes allocated, written at byte ${bytes + late}`;
    return null;
  }
}
