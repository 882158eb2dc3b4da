import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import type { Memory } from "../../bindings/device.js";
import { CudaError, DeviceLost, KernelMissing } from "../../bindings/errors.js";
import type { CudaQueue } from "../../bindings/native/cuda/queue.js";
import type { CudaLaunch, FloatDType, Params } from "../../kernels/contract.js";
import { atPace, open, paces, rows, rowsOf, setPace } from "./cuda-support.js";
import { floats, sameBits, wave } from "./native-support.js";

describe.each(paces)("launch, %s", (_, late) => {
  atPace(late);

  test.each([
    [1, 1],
    [3, 7],
    [65, 300],
  ])("[%i, %i] is computed", async (T, C) => {
    const device = open();
    const { y, launch, expected } = rowsOf(device, T, C);
    launch();
    const found = await floats(device, y, T * C);
    // The GPU rounds once where the product is added to.
    expect(found.every((value, i) => Math.abs(value - expected[i]) <= 1e-6 * Math.abs(expected[i]) + 1e-6)).toBe(true);
    expect(device.counters).toMatchObject({ launches: 1, submissions: 1, programs: 1 });
  });

  test("writes, launches and reads happen in the order of the calls", async () => {
    const device = open();
    const [T, C] = [4, 32];
    const { buffers, y, launch } = rowsOf(device, T, C);
    const results: Promise<Float32Array>[] = [];
    for (let i = 0; i < 20; i++) {
      device.write(buffers[1], new Float32Array(C), "f32"); // weight 0: y is the bias
      device.write(buffers[2], new Float32Array(C).fill(i), "f32");
      launch();
      results.push(floats(device, y, T * C));
    }
    for (const [i, result] of (await Promise.all(results)).entries())
      expect(result.every((value) => value === i)).toBe(true);
  });

  test("launches are handed over eight at a time; an empty grid is skipped", async () => {
    const device = open();
    const { launch, buffers } = rowsOf(device, 1, 8);
    for (let i = 0; i < 300; i++) launch();
    device.launch(rows(), "f32", buffers, { T: 0, C: 8 });
    await device.finish();
    expect(device.counters).toMatchObject({ launches: 300, submissions: 38 });
  });
});

test("the GPU tells how large its cache is", () => {
  // Of the simulator.
  expect(open().cacheBytes).toBe(2 ** 20);
});

describe("what a launch cannot have", () => {
  const launching = (what: ReturnType<typeof rows>, dtype: FloatDType = "f32") => {
    const device = open();
    const { buffers } = rowsOf(device, 2, 8);
    return () => device.launch(what, dtype, buffers, { T: 2, C: 8 });
  };

  test.each<[string, Partial<CudaLaunch<Params>>, string]>([
    [
      "blocks in y",
      { grid: () => [1, 65536, 1] },
      "a grid of 1 x 65536 x 1 blocks; its sides may have 2147483647, 65535, 65535.",
    ],
    ["a part of a block", { grid: () => [1.5, 1, 1] }, "a grid of 1.5 x 1 x 1 blocks"],
    ["threads", { block: () => [32, 32, 2] }, "a block of 32 x 32 x 2 threads; it may have 1024."],
    ["no threads", { block: () => [0, 1, 1] }, "a block of 0 x 1 x 1 threads"],
    [
      "shared memory",
      { sharedBytes: () => 1 << 20 },
      "1048576 bytes of shared memory for a block; this GPU has 166912.",
    ],
    [
      "a symbol",
      { symbol: "rows_sideways" },
      "rows.so has no kernel rows_sideways_f32. Compile it anew: CONSILIUM_CUDA=on",
    ],
  ])("%s", (_, launch, text) => {
    const error = thrown(launching(rows(launch)));
    expect(error).toBeInstanceOf(KernelMissing);
    expect(error.message).toContain(`cuda-kernels/rows: `);
    expect(error.message).toContain(text);
  });

  test("another storage type, a pass without a file, a library that is not there", () => {
    expect(thrown(launching(rows(), "f16")).message).toBe("cuda-kernels/rows: no cuda kernel for f16");
    const nowhere = { ...rows(), label: "cuda-kernels/sideways" };
    expect(thrown(launching(nowhere)).message).toBe(
      "cuda-kernels/sideways: its CUDA kernels are not compiled. Compile them with: CONSILIUM_CUDA=on npx consilium setup",
    );
    const elsewhere = rows({}, { library: "file:///nowhere/x.fatbin" });
    expect(thrown(launching(elsewhere)).message).toMatch(
      /^cuda-kernels\/rows: cuda: \/nowhere\/x\.fatbin: CUDA_ERROR_FILE_NOT_FOUND: /,
    );
  });

  test("what the driver refuses is told by the next await, once, with label, grid and block; the rest has run", async () => {
    const device = open();
    const { buffers, y, launch } = rowsOf(device, 3, 8);
    launch();
    const expected = await floats(device, y, 24);
    device.write(y, new Float32Array(24), "f32");
    // The kernel says that its blocks have at most 256 threads.
    device.launch(rows({ block: () => [512, 1, 1] }), "f32", buffers, { T: 3, C: 8 });
    launch();
    const error = await device.finish().catch((e) => e);
    expect(error).toBeInstanceOf(CudaError);
    expect(error.message).toMatch(
      /^cuda: cuda-kernels\/rows f32 \(rows_f32\), grid 3 x 1 x 1, block 512 x 1 x 1: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: ./,
    );
    await device.finish();
    expect(await floats(device, y, 24)).toEqual(expected);
  });

  test("buffers that are missing or released", () => {
    const device = open();
    const { buffers } = rowsOf(device, 2, 8);
    const launch = (given: readonly (Memory | null)[]) => () => device.launch(rows(), "f32", given, { T: 2, C: 8 });
    expect(launch(buffers.slice(1))).toThrow("cuda-kernels/rows: 3 buffers given, x, weight, bias, y expected");
    expect(launch([null, ...buffers.slice(1)])).toThrow("cuda-kernels/rows: buffer x is missing");
    device.release(buffers[2]);
    expect(launch(buffers)).toThrow("cuda-kernels/rows: buffer bias is released");
  });
});

describe.each(paces)("replay, %s", (_, late) => {
  atPace(late);

  test("a recording is one submission, gives the same bits, and reads what its buffers hold then", async () => {
    const device = open();
    const { buffers, y, launch } = rowsOf(device, 3, 8);
    const recording = device.newRecording?.() as never;
    device.record?.(recording);
    for (let i = 0; i < 3; i++) launch();
    device.record?.(null);
    await device.finish();
    device.write(buffers[0], wave(24, 0.9), "f32");
    launch();
    const expected = await floats(device, y, 24);
    device.write(y, new Float32Array(24), "f32");
    await device.finish();
    const before = { ...device.counters };
    device.replay?.(recording);
    device.replay?.(recording);
    await device.finish();
    expect(sameBits(await floats(device, y, 24), expected)).toBe(true);
    expect(device.counters).toMatchObject({
      launches: before.launches + 6,
      submissions: before.submissions + 2,
    });
    device.releaseRecording?.(recording);
  });

  test("an empty recording", async () => {
    const device = open();
    const recording = device.newRecording?.() as never;
    device.replay?.(recording);
    await device.finish();
    device.releaseRecording?.(recording);
    expect(device.counters.submissions).toBe(0);
  });
});

test.each(paces)("a profile times each launch, those of a replay too, %s", async (_, late) => {
  setPace(late);
  const device = open();
  const { launch } = rowsOf(device, 3, 8);
  const recording = device.newRecording?.() as never;
  device.record?.(recording);
  launch();
  launch();
  device.record?.(null);
  device.profiler?.start();
  launch();
  device.replay?.(recording);
  const timings = await device.profiler?.stop();
  expect(timings?.map(({ label }) => label)).toEqual(Array(3).fill("cuda-kernels/rows f32 rows"));
  expect(timings?.every(({ ms }) => ms > 0 && ms < 60_000)).toBe(true);
  launch();
  device.profiler?.start();
  expect(await device.profiler?.stop()).toEqual([]);
});

test("a profile in which a launch was refused ends all the same", async () => {
  const device = open();
  const { launch, buffers } = rowsOf(device, 3, 8);
  device.profiler?.start();
  launch();
  device.launch(rows({ block: () => [512, 1, 1] }), "f32", buffers, { T: 3, C: 8 });
  await expect(device.profiler?.stop()).rejects.toThrow("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES");
  launch();
  expect(await device.profiler?.stop()).toEqual([]);
});

describe("debug", () => {
  test("fresh memory holds NaN, to the last byte", async () => {
    const device = open({ debug: true });
    const memory = device.allocate(7, "bf16");
    expect(memory.bytes).toBe(14);
    expect(new Uint16Array(await device.read(memory, 14, "bf16"))).toEqual(new Uint16Array(7).fill(0x7fc0));
  });

  test.each([
    ["after the end", (memory: { address: number }) => memory, 66, "264 bytes allocated, written at byte 264"],
    [
      "before the start",
      (memory: { address: number }) => Object.assign(Object.create(memory), { lo: (memory.address - 8) | 0 }),
      70,
      "280 bytes allocated, written 1 bytes before the start",
    ],
  ] as const)("what a kernel writes %s is found", async (_, moved, room, text) => {
    const device = open({ debug: true });
    const { buffers } = rowsOf(device, 1, 70);
    const small = device.allocate(room, "f32");
    const given = buffers.with(3, moved(small as never) as never);
    device.launch(rows(), "f32", given, { T: 1, C: 70 });
    await expect(device.finish()).rejects.toThrow(`cuda: a kernel wrote outside its buffer: ${text}`);
    expect(await device.checkGuards?.(small)).toBe(text);
    expect(await device.checkGuards?.(buffers[0])).toBeNull();
  });
});

test("a profile that ends before its launches have run waits for them", () => {
  setPace(1);
  const device = open();
  const { launch } = rowsOf(device, 3, 8);
  const { native } = device as unknown as { native: CudaQueue };
  native.startProfile();
  for (let i = 0; i < 8; i++) launch(); // as many as are handed over at once
  const pairs = native.stopProfile();
  expect(pairs).toHaveLength(16);
  expect(pairs.every((value, i) => i % 2 === 0 || value > 0)).toBe(true);
});

test("kernels of a library outside the package", async () => {
  const library = pathToFileURL(join(process.env.CONSILIUM_CUDA_KERNELS as string, "cuda-kernels", "rows.so"));
  const outside = { ...rows({}, { library }), label: "mine/rows" };
  const device = open();
  const { buffers, y, expected } = rowsOf(device, 3, 8);
  device.launch(outside, "f32", buffers, { T: 3, C: 8 });
  const found = await floats(device, y, 24);
  expect(found.every((value, i) => Math.abs(value - expected[i]) <= 1e-6 * Math.abs(expected[i]) + 1e-6)).toBe(true);
});

test("a closed device rejects what is awaited, and refuses the rest", async () => {
  const device = open();
  const { launch, y } = rowsOf(device, 3, 8);
  const pending = device.read(y, 96, "f32").catch((error) => error);
  device.close();
  device.close();
  expect(await pending).toBeInstanceOf(DeviceLost);
  expect(launch).toThrow(DeviceLost);
  expect(() => device.allocate(1, "f32")).toThrow("cuda: the device was closed");
  await expect(device.finish()).rejects.toThrow(DeviceLost);
});

test("two devices at once, on two GPUs and on one", async () => {
  const [a, b] = [open(), open()];
  const [first, second] = [rowsOf(a, 3, 8), rowsOf(b, 3, 8)];
  first.launch();
  second.launch();
  a.close();
  expect(await floats(b, second.y, 24)).toHaveLength(24);
});

test("scratch follows the buffers, grows, and counts; a recording keeps the one it was made with", async () => {
  const device = open();
  const scratching = rows({ symbol: "rows_scratch" }, { scratchBytes: ({ T }) => 4 * T });
  const small = rowsOf(device, 2, 8);
  const recording = device.newRecording?.() as never;
  device.record?.(recording);
  device.launch(scratching, "f32", small.buffers, { T: 2, C: 8 });
  device.record?.(null);
  expect(await floats(device, small.y, 16)).toHaveLength(16);
  expect(device.ownBytes).toBe(1 << 16);
  const more = rows({ symbol: "rows_scratch" }, { scratchBytes: () => 1 << 20 });
  device.launch(more, "f32", small.buffers, { T: 2, C: 8 });
  expect(device.ownBytes).toBe((1 << 16) + (1 << 20));
  device.replay?.(recording);
  await device.finish();
  device.releaseRecording?.(recording);
  expect(device.ownBytes).toBe(1 << 20);
});

function thrown(call: () => void): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}
