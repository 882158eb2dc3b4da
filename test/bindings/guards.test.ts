import { expect, test } from "vitest";
import type { NativeQueue } from "../../bindings/native/addon.js";
import { Guards } from "../../bindings/native/guards.js";

const GUARD = 72;

test("an element that is read on one side of an allocation and written on the other is seen", async () => {
  const bytes = 64;
  const memory = new Uint8Array(bytes + 2 * GUARD);
  const native = {
    fill: (address: number, length: number) => memory.fill(0, address, address + length),
    write: (address: number, data: Uint8Array) => memory.set(data, address),
    read: async (address: number, length: number) => memory.slice(address, address + length).buffer,
  } as unknown as NativeQueue;
  const guards = new Guards(native, GUARD);
  guards.fill(0, bytes);
  expect(await guards.check(0, bytes)).toBeNull();
  const [before, after] = [GUARD, GUARD + bytes];
  for (const size of [2, 4]) {
    guards.fill(0, bytes);
    memory.copyWithin(after, before - size, before);
    expect(await guards.check(0, bytes)).toBe(`64 bytes allocated, written at byte ${bytes}`);
    guards.fill(0, bytes);
    memory.copyWithin(before - size, after, after + size);
    expect(await guards.check(0, bytes)).toBe("64 bytes allocated, written 2 bytes before the start");
  }
});
