import { describe, expect, test } from "vitest";
import { KernelMissing } from "../../bindings/errors.js";
import { pass, read, write } from "../../kernels/contract.js";
import { forward } from "../../kernels/layer-norm/kernels.js";
import * as reference from "../../kernels/layer-norm/reference.js";
import { floats, layerNorm, open, sameBits, wave } from "./native-support.js";

describe("memory", () => {
  test("what is written is read back, before and after other allocations", async () => {
    const device = open();
    const a = device.allocate(1000, "f32");
    const b = device.allocate(7, "u32");
    device.write(a, wave(1000, 0.1), "f32");
    device.write(b, Uint32Array.of(1, 2, 0xffffffff), "u32");
    expect(await floats(device, a, 1000)).toEqual(wave(1000, 0.1));
    expect(new Uint32Array(await device.read(b, 12, "u32"))).toEqual(Uint32Array.of(1, 2, 0xffffffff));
  });

  test("larger than a staging piece, behind pending work", async () => {
    const device = open({ threads: 2 });
    const { launch } = layerNorm(device, 256, 256);
    const length = (20 << 20) / 4 + 3;
    const data = Float32Array.from({ length }, (_, i) => i % 8191);
    const memory = device.allocate(length, "f32");
    for (let i = 0; i < 50; i++) launch();
    device.write(memory, data, "f32");
    data.fill(-1);
    const back = await floats(device, memory, length);
    expect(back.every((value, i) => value === i % 8191)).toBe(true);
  });

  test("empty allocations and empty transfers", async () => {
    const device = open();
    const memory = device.allocate(0, "f32");
    device.write(memory, new Float32Array(0), "f32");
    expect((await device.read(memory, 0, "f32")).byteLength).toBe(0);
  });

  test("what the system refuses is a RangeError and leaves the device usable", async () => {
    const device = open();
    expect(() => device.allocate(2 ** 50, "f32")).toThrow(RangeError);
    const memory = device.allocate(4, "f32");
    device.write(memory, Float32Array.of(1, 2, 3, 4), "f32");
    expect(await floats(device, memory, 4)).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  test("transfers outside the allocation and uses after release are errors", async () => {
    const device = open();
    const memory = device.allocate(16, "f32");
    expect(() => device.write(memory, new Float32Array(17), "f32")).toThrow(/write of 68 bytes at 0 into 64/);
    await expect(device.read(memory, 68, "f32")).rejects.toThrow(/68 bytes from 64/);
    device.release(memory);
    expect(() => device.write(memory, new Float32Array(1), "f32")).toThrow(/released/);
    expect(() => device.release(memory)).toThrow(/released/);
  });

  test("released memory goes back to the system after the launches that use it", async () => {
    const device = open();
    const data = new Float32Array(8 << 20);
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 40; i++) {
      const { buffers, launch } = layerNorm(device, 64, 64);
      const large = device.allocate(data.length, "f32");
      device.write(large, data, "f32");
      launch();
      for (const memory of [large, ...buffers]) device.release(memory);
    }
    await device.finish();
    // 40 rounds of 32 MiB; the staging of two may still be in malloc's hands.
    expect(process.memoryUsage().rss - before).toBeLessThan(160 << 20);
  });
});

describe("launch", () => {
  test.each([
    [1, 1],
    [3, 7],
    [130, 65],
    [700, 384],
  ])("layer-norm/forward [%i, %i] agrees with its reference", async (T, C) => {
    const device = open({ threads: 2 });
    const { inputs, buffers, launch } = layerNorm(device, T, C);
    launch();
    const truth = {
      ...inputs,
      y: new Float64Array(T * C),
      mean: new Float64Array(T),
      rstd: new Float64Array(T),
    };
    reference.forward(truth, { T, C, eps: 1e-5 });
    const y = await floats(device, buffers[3], T * C);
    const rstd = await floats(device, buffers[5], T);
    const largest = truth.y.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    // f32 sums of at most 384 terms.
    expect(y.reduce((most, value, i) => Math.max(most, Math.abs(value - truth.y[i])), 0)).toBeLessThan(2e-6 * largest);
    expect(rstd.reduce((most, value, i) => Math.max(most, Math.abs(value / truth.rstd[i] - 1)), 0)).toBeLessThan(2e-6);
  });

  test("writes, launches and reads happen in the order of the calls", async () => {
    const device = open({ threads: 2 });
    const [T, C] = [64, 128];
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

  test("10,000 small launches, each working on the last one's result", async () => {
    const device = open({ threads: 2 });
    const { buffers, launch } = layerNorm(device, 4, 16);
    const [x, weight, bias, y] = buffers;
    launch();
    const back = [y, weight, bias, x, buffers[4], buffers[5]];
    for (let i = 0; i < 9999; i++)
      device.launch(forward, "f32", i % 2 ? buffers : back, {
        T: 4,
        C: 16,
        eps: 1e-5,
      });
    const many = await floats(device, y, 64);

    const slow = open({ threads: 1 });
    const other = layerNorm(slow, 4, 16);
    for (let i = 0; i < 10_000; i++) {
      const b = other.buffers;
      const swapped = [b[3], b[1], b[2], b[0], b[4], b[5]];
      slow.launch(forward, "f32", i % 2 ? swapped : b, {
        T: 4,
        C: 16,
        eps: 1e-5,
      });
      if (i % 100 === 0) await slow.finish();
    }
    expect(many).toEqual(await floats(slow, other.y, 64));
    expect(many.some((value) => value !== 0)).toBe(true);
  });

  test("the bits do not depend on the number of threads", async () => {
    const results = [];
    for (const threads of [1, 2, 3, 7]) {
      const device = open({ threads });
      const { y, launch } = layerNorm(device, 3001, 65);
      launch();
      results.push(await floats(device, y, 3001 * 65));
    }
    for (const result of results) expect(sameBits(result, results[0])).toBe(true);
    expect(results[0].every(Number.isFinite)).toBe(true);
  });

  test("several devices at once do not disturb each other", async () => {
    const devices = [1, 2, 3].map((threads) => open({ threads }));
    const jobs = devices.map((device) => layerNorm(device, 500, 64));
    for (let i = 0; i < 30; i++) for (const job of jobs) job.launch();
    const [first, ...others] = await Promise.all(devices.map((device, i) => floats(device, jobs[i].y, 500 * 64)));
    for (const other of others) expect(sameBits(other, first)).toBe(true);
  });

  test("a missing kernel names the storage types that exist", () => {
    const device = open();
    const spec = {
      label: "test/nothing",
      buffers: { x: read("n"), y: write("n") },
      params: { n: "u32" },
      reference() {},
    } as const;
    const cells = ({ n }: { n: number }) => n;
    const missing = pass({
      ...spec,
      cpu: { dtypes: ["f32"], launches: [{ symbol: "test_nothing", cells }] },
    });
    const none = pass(spec);
    const half = pass({
      ...spec,
      cpu: {
        dtypes: ["f32"],
        launches: [{ symbol: "layer_norm_forward", cells }],
      },
    });
    const available = (p: typeof none) => {
      try {
        device.launch(p, "bf16", [], { n: 1 });
      } catch (error) {
        if (error instanceof KernelMissing) return error.available;
        throw error;
      }
      return "launched";
    };
    expect(available(missing)).toEqual([]);
    expect(available(none)).toEqual([]);
    expect(available(half)).toEqual(["f32"]);
  });

  test("a missing or released buffer is named", () => {
    const device = open();
    const { buffers } = layerNorm(device, 2, 8);
    const params = { T: 2, C: 8, eps: 1e-5 };
    const without = [buffers[0], null, ...buffers.slice(2)];
    expect(() => device.launch(forward, "f32", without, params)).toThrow(
      "layer-norm/forward: buffer weight is missing",
    );
    expect(() => device.launch(forward, "f32", buffers.slice(1), params)).toThrow(/5 buffers given, x, weight/);
    device.release(buffers[2]);
    expect(() => device.launch(forward, "f32", buffers, params)).toThrow("layer-norm/forward: buffer bias is released");
  });
});

describe("debug", () => {
  const fill = pass({
    label: "test/overrun",
    buffers: {
      x: read("C"),
      weight: read("C"),
      bias: read("C"),
      y: write("C"),
      mean: write("1"),
      rstd: write("1"),
    },
    params: { T: "u32", C: "u32", eps: "f32" },
    reference() {},
    cpu: {
      dtypes: ["f32"],
      launches: [{ symbol: "layer_norm_forward", cells: () => 1 }],
    },
  });

  test("a write past the end is found, with its place, by checkGuards and by finish", async () => {
    const device = open({ debug: true });
    const [x, weight, bias] = [20, 20, 20].map((n) => device.allocate(n, "f32"));
    const [y, mean, rstd] = [17, 1, 1].map((n) => device.allocate(n, "f32"));
    for (const memory of [x, weight, bias]) device.write(memory, wave(20, 0.3), "f32");
    await device.finish();
    device.launch(fill, "f32", [x, weight, bias, y, mean, rstd], {
      T: 1,
      C: 20,
      eps: 1e-5,
    });
    await expect(device.finish()).rejects.toThrow("written at byte 68");
    expect(await device.checkGuards?.(y)).toBe("68 bytes allocated, written at byte 68");
    expect(await device.checkGuards?.(x)).toBeNull();
  });

  test("fresh memory is NaN and an absurd integer", async () => {
    const device = open({ debug: true });
    const memory = device.allocate(300_000, "f32");
    const bytes = await device.read(memory, 1_200_000, "f32");
    expect(new Float32Array(bytes).every(Number.isNaN)).toBe(true);
    expect(new Int32Array(bytes).every((value) => value > 2 ** 30)).toBe(true);
  });

  test("sound kernels leave the guards whole, scratch included", async () => {
    const device = open({ debug: true, threads: 2 });
    const [T, C] = [130, 65];
    const { buffers, launch } = layerNorm(device, T, C);
    launch();
    await device.finish();
    expect((await floats(device, buffers[3], T * C)).every(Number.isFinite)).toBe(true);
  });
});

describe("life cycle", () => {
  test("close twice; a closed device says so; pending reads reject", async () => {
    const device = open({ threads: 2 });
    const { buffers, y, launch } = layerNorm(device, 2000, 256);
    for (let i = 0; i < 200; i++) launch();
    const pending = device.read(y, 4, "f32");
    const waiting = expect(pending).rejects.toThrow("the device was closed");
    device.close();
    device.close();
    await waiting;
    expect(() => device.allocate(1, "f32")).toThrow("closed");
    expect(() => device.write(buffers[0], new Float32Array(1), "f32")).toThrow("closed");
    expect(() => launch()).toThrow("closed");
    await expect(device.read(y, 4, "f32")).rejects.toThrow("closed");
    await expect(device.finish()).rejects.toThrow("closed");
  });
});
