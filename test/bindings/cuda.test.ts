import { beforeAll, describe, expect, test } from "vitest";
import type { Memory } from "../../bindings/device.js";
import { CudaError, DeviceLost, KernelMissing } from "../../bindings/errors.js";
import { type CudaLaunch, type FloatDType, type Params, pass, read, write } from "../../kernels/contract.js";
import { forward } from "../../kernels/layer-norm/kernels.js";
import * as reference from "../../kernels/layer-norm/reference.js";
import { open, simulate } from "./cuda-support.js";
import { floats, layerNorm, sameBits, wave } from "./native-support.js";

beforeAll(() => simulate("layer-norm"), 120_000);

/** layer-norm/forward, but for what a test plants. */
const planted = (launch: Partial<CudaLaunch<Params>>, dtypes: readonly FloatDType[] = ["f32"]) =>
  pass({
    ...forward,
    label: "layer-norm/forward",
    cuda: {
      dtypes,
      launches: [
        { symbol: "layer_norm_forward", grid: ({ T }) => [T, 1, 1], block: () => [256, 1, 1], ...launch },
      ] as readonly CudaLaunch<never>[],
    } as never,
  });

describe("memory", () => {
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
    const { launch } = layerNorm(device, 8, 64);
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

describe("launch", () => {
  test.each([
    [1, 1],
    [3, 7],
    [15, 130],
  ])("layer-norm/forward [%i, %i] agrees with its reference", async (T, C) => {
    const device = open();
    const { inputs, buffers, launch } = layerNorm(device, T, C);
    launch();
    const truth = { ...inputs, y: new Float64Array(T * C), mean: new Float64Array(T), rstd: new Float64Array(T) };
    reference.forward(truth, { T, C, eps: 1e-5 });
    const y = await floats(device, buffers[3], T * C);
    const largest = truth.y.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    // f32 sums of at most 130 terms.
    expect(y.reduce((most, value, i) => Math.max(most, Math.abs(value - truth.y[i])), 0)).toBeLessThan(2e-6 * largest);
    expect(device.counters).toMatchObject({ launches: 1, submissions: 1, programs: 1 });
  });

  test("writes, launches and reads happen in the order of the calls", async () => {
    const device = open();
    const [T, C] = [4, 32];
    const { buffers, y, launch } = layerNorm(device, T, C);
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

  test("many launches are handed over at once; an empty grid is skipped", async () => {
    const device = open();
    const { launch, buffers } = layerNorm(device, 1, 8);
    for (let i = 0; i < 300; i++) launch();
    device.launch(forward, "f32", buffers, { T: 0, C: 8, eps: 1e-5 });
    await device.finish();
    expect(device.counters).toMatchObject({ launches: 300, submissions: 2 });
  });
});

describe("what a launch cannot have", () => {
  const launching = (what: ReturnType<typeof planted>, dtype: FloatDType = "f32") => {
    const device = open();
    const { buffers } = layerNorm(device, 2, 8);
    return () => device.launch(what, dtype, buffers, { T: 2, C: 8, eps: 1e-5 });
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
      { symbol: "layer_norm_sideways" },
      "forward.so has no kernel layer_norm_sideways_f32. Compile it anew: CONSILIUM_CUDA=on",
    ],
  ])("%s", (_, launch, text) => {
    const error = thrown(launching(planted(launch)));
    expect(error).toBeInstanceOf(KernelMissing);
    expect(error.message).toContain(`layer-norm/forward: `);
    expect(error.message).toContain(text);
  });

  test("another storage type, a pass without a file, a library that is not there", () => {
    expect(thrown(launching(planted({}), "f16")).message).toBe("layer-norm/forward: no cuda kernel for f16");
    const nowhere = { ...planted({}), label: "layer-norm/sideways" };
    expect(thrown(launching(nowhere)).message).toBe(
      "layer-norm/sideways: its CUDA kernels are not compiled. Compile them with: CONSILIUM_CUDA=on npx consilium setup",
    );
    const { cuda } = forward;
    const elsewhere = pass({ ...forward, cuda: { ...cuda, library: "file:///nowhere/x.fatbin" } as never });
    expect(thrown(launching(elsewhere as never)).message).toMatch(
      /^layer-norm\/forward: cuda: \/nowhere\/x\.fatbin: CUDA_ERROR_FILE_NOT_FOUND: /,
    );
  });

  test("what the driver refuses is told by the next await, once, with label, grid and block; the rest has run", async () => {
    const device = open();
    const { buffers, y, launch } = layerNorm(device, 3, 8);
    launch();
    const expected = await floats(device, y, 24);
    device.write(y, new Float32Array(24), "f32");
    // The kernel says that its blocks have at most 256 threads.
    device.launch(planted({ block: () => [512, 1, 1] }), "f32", buffers, { T: 3, C: 8, eps: 1e-5 });
    launch();
    const error = await device.finish().catch((e) => e);
    expect(error).toBeInstanceOf(CudaError);
    expect(error.message).toMatch(
      /^cuda: layer-norm\/forward f32 \(layer_norm_forward_f32\), grid 3 x 1 x 1, block 512 x 1 x 1: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: ./,
    );
    await device.finish();
    expect(await floats(device, y, 24)).toEqual(expected);
  });

  test("buffers that are missing or released", () => {
    const device = open();
    const { buffers } = layerNorm(device, 2, 8);
    const launch = (given: readonly (Memory | null)[]) => () =>
      device.launch(forward, "f32", given, { T: 2, C: 8, eps: 1e-5 });
    expect(launch(buffers.slice(1))).toThrow(
      "layer-norm/forward: 5 buffers given, x, weight, bias, y, mean, rstd expected",
    );
    expect(launch([null, ...buffers.slice(1)])).toThrow("layer-norm/forward: buffer x is missing");
    device.release(buffers[2]);
    expect(launch(buffers)).toThrow("layer-norm/forward: buffer bias is released");
  });
});

describe("replay", () => {
  test("a recording is one submission, gives the same bits, and reads what its buffers hold then", async () => {
    const device = open();
    const { buffers, y, launch } = layerNorm(device, 3, 8);
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

test("a profile times each launch, those of a replay too", async () => {
  const device = open();
  const { launch } = layerNorm(device, 3, 8);
  const recording = device.newRecording?.() as never;
  device.record?.(recording);
  launch();
  launch();
  device.record?.(null);
  device.profiler?.start();
  launch();
  device.replay?.(recording);
  const timings = await device.profiler?.stop();
  expect(timings?.map(({ label }) => label)).toEqual(Array(3).fill("layer-norm/forward f32 layer_norm_forward"));
  expect(timings?.every(({ ms }) => ms > 0 && ms < 60_000)).toBe(true);
  launch();
  device.profiler?.start();
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
    const { buffers } = layerNorm(device, 1, 70);
    const small = device.allocate(room, "f32");
    const given = buffers.with(3, moved(small as never) as never);
    device.launch(forward, "f32", given, { T: 1, C: 70, eps: 1e-5 });
    await expect(device.finish()).rejects.toThrow(`cuda: a kernel wrote outside its buffer: ${text}`);
    expect(await device.checkGuards?.(small)).toBe(text);
    expect(await device.checkGuards?.(buffers[0])).toBeNull();
  });
});

test("a closed device rejects what is awaited, and refuses the rest", async () => {
  const device = open();
  const { launch, y } = layerNorm(device, 3, 8);
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
  const [first, second] = [layerNorm(a, 3, 8), layerNorm(b, 3, 8)];
  first.launch();
  second.launch();
  a.close();
  expect(await floats(b, second.y, 24)).toHaveLength(24);
});

test("scratch is grown and counted, and follows the buffers", async () => {
  const device = open();
  const { buffers } = layerNorm(device, 2, 8);
  const scratching = pass({
    label: "layer-norm/forward",
    // The last output is the scratch: as the kernel sees it, one argument more.
    buffers: {
      x: read("T C"),
      weight: read("C"),
      bias: read("C"),
      y: write("T C"),
      mean: write("T", "f32"),
    },
    params: forward.params,
    reference: () => {},
    cuda: {
      dtypes: ["f32"],
      scratchBytes: ({ T }) => 4 * T,
      launches: [{ symbol: "layer_norm_forward", grid: ({ T }) => [T, 1, 1], block: () => [256, 1, 1] }],
    },
  });
  device.launch(scratching, "f32", buffers.slice(0, 5), { T: 2, C: 8, eps: 1e-5 });
  await device.finish();
  expect(device.ownBytes).toBe(1 << 16);
});

function thrown(call: () => void): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}
