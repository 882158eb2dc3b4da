/**
 * Debug allocations: a guard zone before and after each, fresh memory poisoned. The patterns read as NaN in f32, bf16
 * and f16 and as absurd integers, so that a read outside, or before the first write, shows in the result. They differ: a value
 * that a kernel reads on one side and writes on the other shows as well.
 */
import type { NativeDevice } from "./addon.js";

/**
 * Bytes before and after. Not a multiple of 64: kernels must do with the 8-byte alignment that a mapped file has, and one that
 * asks for more shows here.
 */
export const GUARD = 72;
const BEFORE_PATTERN = 0x7fe57fe5;
const AFTER_PATTERN = 0x7fea7fea;
const POISON_PATTERN = 0x7fc07fc0;
const PIECE = 1 << 20;

const zone = (pattern: number) => new Uint8Array(new Uint32Array(GUARD / 4).fill(pattern).buffer);
const BEFORE = zone(BEFORE_PATTERN);
const AFTER = zone(AFTER_PATTERN);

/** Fills the zones around `bytes` bytes at `address + GUARD`, and poisons what lies between. */
export function fill(native: NativeDevice, address: number, bytes: number): void {
  const poison = new Uint8Array(new Uint32Array(Math.ceil(Math.min(bytes, PIECE) / 4)).fill(POISON_PATTERN).buffer);
  native.write(address, BEFORE);
  for (let at = 0; at < bytes; at += PIECE)
    native.write(address + GUARD + at, poison.subarray(0, Math.min(PIECE, bytes - at)));
  native.write(address + GUARD + bytes, AFTER);
}

/** The first damaged byte of the zones, described; null where they are whole. */
export async function check(native: NativeDevice, address: number, bytes: number): Promise<string | null> {
  const [before, after] = await Promise.all([native.read(address, GUARD), native.read(address + GUARD + bytes, GUARD)]);
  const early = new Uint8Array(before).findLastIndex((value, i) => value !== BEFORE[i]);
  if (early >= 0) return `${bytes} bytes allocated, written ${GUARD - early} bytes before the start`;
  const late = new Uint8Array(after).findIndex((value, i) => value !== AFTER[i]);
  if (late >= 0) return `${bytes} bytes allocated, written at byte ${bytes + late}`;
  return null;
}
