import { expect, test } from "vitest";
import type { NativeDevice } from "../../bindings/native/addon.js";
import { check, fill, GUARD } from "../../bindings/native/guards.js";

test("an element that is read on one side of an allocation and written on the other is seen", async () => {
  const bytes = 64;
  const memory = new Uint8Array(bytes + 2 * GUARD);
  const native = {
    write: (address: number, data: Uint8Array) => memory.set(data, address),
    read: async (address: number, length: number) => memory.slice(address, address + length).buffer,
  } as unknown as NativeDevice;
  fill(native, 0, bytes);
  expect(await check(native, 0, bytes)).toBeNull();
  const [before, after] = [GUARD, GUARD + bytes];
  for (const size of [2, 4]) {
    fill(native, 0, bytes);
    memory.copyWithin(after, before - size, before);
    expect(await check(native, 0, bytes)).toBe(`64 bytes allocated, written at byte ${bytes}`);
    fill(native, 0, bytes);
    memory.copyWithin(before - size, after, after + size);
    expect(await check(native, 0, bytes)).toBe("64 bytes allocated, written 2 bytes before the start");
  }
});
