import { describe, expect, test } from "vitest";
import { DeviceLost } from "../../bindings/errors.js";
import { atPace, machine, open, paces, rows, rowsOf, setEnvironment } from "./cuda-support.js";
import { floats, wave } from "./native-support.js";

describe.each(paces)("memory, %s", (_, late) => {
  atPace(late);

  test("what is written is read back, before and after other allocations", async () => {
    const device = open();
    const a = device.allocate(1000, "f32");
    const b = device.allocate(7, "u32");
    device.write(a, wave(1000, 0.1), "f32");
    device.write(b, Uint32Array.of(1, 2, 0xffffffff), "u32");
    device.write(a, Float32Array.of(5, 6), "f32", 3);
    const expected = wave(1000, 0.1);
    expected.set([5, 6], 3);
    expect(await floats(device, a, 1000)).toEqual(expected);
    expect(new Uint32Array(await device.read(b, 12, "u32"))).toEqual(Uint32Array.of(1, 2, 0xffffffff));
  });

  test("larger than all of the pinned memory that it goes through, behind pending work; the data is copied at once", async () => {
    const device = open();
    const { launch } = rowsOf(device, 8, 64);
    const length = (40 << 20) / 4 + 3;
    const data = Float32Array.from({ length }, (_, i) => i % 8191);
    const memory = device.allocate(length, "f32");
    for (let i = 0; i < 5; i++) launch();
    device.write(memory, data, "f32");
    const early = device.read(memory, 4 * length, "f32");
    device.write(memory, data.fill(-1), "f32");
    expect(new Float32Array(await early).every((value, i) => value === i % 8191)).toBe(true);
    expect((await floats(device, memory, length)).every((value) => value === -1)).toBe(true);
  });

  test("small uploads one after the other, more than the pinned memory holds", async () => {
    const device = open();
    const [piece, pieces] = [1 << 18, 80];
    const memory = device.allocate(piece * pieces, "f32");
    for (let i = 0; i < pieces; i++) device.write(memory, new Float32Array(piece).fill(i), "f32", i * piece);
    const found = await floats(device, memory, piece * pieces);
    expect(found.every((value, i) => value === Math.floor(i / piece))).toBe(true);
  });

  test("memory that is released while work on it waits is another's only after that", async () => {
    const device = open();
    const { buffers, y, launch, expected } = rowsOf(device, 3, 8);
    launch();
    const result = floats(device, y, 24);
    for (const buffer of buffers) device.release(buffer);
    for (let i = 0; i < 8; i++) device.write(device.allocate(24, "f32"), new Float32Array(24).fill(-1), "f32");
    const found = await result;
    expect(found.every((value, i) => Math.abs(value - expected[i]) <= 1e-6 * Math.abs(expected[i]) + 1e-6)).toBe(true);
  });

  test("a device that is closed with work under way rejects what waits for it", async () => {
    const device = open();
    const memory = device.allocate(1 << 22, "f32");
    device.write(memory, new Float32Array(1 << 22), "f32");
    const reads = Array.from({ length: 4 }, () => device.read(memory, 4 << 22, "f32").catch((error) => error));
    const finish = device.finish().catch((error) => error);
    device.close();
    for (const error of await Promise.all([...reads, finish])) expect(error).toBeInstanceOf(DeviceLost);
  });

  test("many reads at once, more than there is pinned memory for", async () => {
    const device = open();
    const memories = Array.from({ length: 300 }, (_, i) => {
      const memory = device.allocate(i < 12 ? 1 << 18 : 16, "f32");
      device.write(memory, new Float32Array(memory.bytes / 4).fill(i), "f32");
      return memory;
    });
    const all = await Promise.all(memories.map((memory) => floats(device, memory, memory.bytes / 4)));
    expect(all.every((values, i) => values.every((value) => value === i))).toBe(true);
  });

  test("scratch that grows has room where the smaller one was; a recording keeps its own", async () => {
    setEnvironment(machine({ MEMORY: 64 << 20 }));
    const device = open();
    const { buffers, y, expected } = rowsOf(device, 3, 8);
    const launch = (bytes: number) =>
      device.launch(rows({ symbol: "rows_scratch" }, { scratchBytes: () => bytes }), "f32", buffers, { T: 3, C: 8 });
    launch(24 << 20);
    launch(40 << 20); // 48: not beside 24 in 64
    expect(device.ownBytes).toBe(48 << 20);
    const found = await floats(device, y, 24);
    expect(found.every((value, i) => Math.abs(value - expected[i]) <= 1e-6 * Math.abs(expected[i]) + 1e-6)).toBe(true);
    const recording = device.newRecording?.() as never;
    device.record?.(recording);
    launch(40 << 20);
    device.record?.(null);
    // That one stays where it is: 64 have no room for both.
    expect(() => launch(56 << 20)).toThrow("scratch of cuda-kernels/rows: ");
    device.replay?.(recording);
    await device.finish();
    device.releaseRecording?.(recording);
    // 96 have room for neither.
    launch(56 << 20);
    await device.finish();
    expect(device.ownBytes).toBe(56 << 20);
  });

  test("empty allocations and empty transfers", async () => {
    const device = open();
    const memory = device.allocate(0, "f32");
    device.write(memory, new Float32Array(0), "f32");
    expect((await device.read(memory, 0, "f32")).byteLength).toBe(0);
  });

  test("transfers outside the allocation and uses after release are errors", async () => {
    const device = open();
    const memory = device.allocate(16, "f32");
    expect(() => device.write(memory, new Float32Array(17), "f32")).toThrow("cuda: write of 68 bytes at 0 into 64");
    await expect(device.read(memory, 68, "f32")).rejects.toThrow("cuda: read of 68 bytes from 64");
    device.release(memory);
    expect(() => device.write(memory, new Float32Array(1), "f32")).toThrow(/released/);
    expect(() => device.release(memory)).toThrow(/released/);
  });
});
