import { describe, expect, test } from "vitest";
import { platform } from "#platform";
import type { Recording } from "../../bindings/device.js";
import { BindingTooLarge, DeviceLost, KernelMissing, TooLarge, WebGpuError } from "../../bindings/errors.js";
import { openWebGpu } from "../../bindings/webgpu/device.js";
import { pass, read, write } from "../../kernels/contract.js";
import { over, withDevices } from "../support/losable.js";
import { gpuTest } from "../support/webgpu.js";

describe("the device", () => {
  const scale = (text: string) =>
    pass({
      label: "test/scale",
      buffers: { x: read("n"), y: write("n") },
      params: { n: "u32", by: "f32" },
      reference: () => {},
      webgpu: {
        dtypes: ["f32"],
        launches: [{ source: { text, common: [] }, grid: ({ n }) => [Math.ceil(n / 64), 1, 1] }],
      },
    });
  const head = `
    struct Params { n: u32, by: f32 }
    @group(0) @binding(0) var<storage, read> x: array<value>;
    @group(0) @binding(1) var<storage, read_write> y: array<value>;
    @group(0) @binding(2) var<uniform> params: Params;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {`;
  const good = scale(`${head} if (id.x < params.n) { y[id.x] = params.by * x[id.x]; } }`);

  const source = { text: `${head} if (id.x < params.n) { y[id.x] = params.by * x[id.x]; } }`, common: [] };
  /** What a pass with parts, or with scratch, is made of. */
  const rowwise = {
    buffers: { x: read("n"), y: write("n") },
    params: { n: "u32", by: "f32" },
    reference: () => {},
    webgpu: {
      dtypes: ["f32"],
      launches: [
        {
          source,
          grid: ({ n }: { n: number }) => [Math.ceil(n / 64), 1, 1] as const,
          cut: () => ({ over: "n" as const }),
        },
      ],
    },
  } as const;

  gpuTest("keeps the order of many launches, writes and reads", async (gpu) => {
    const a = gpu.allocate(3, "f32");
    const b = gpu.allocate(3, "f32");
    gpu.write(a, Float32Array.of(1, 2, 3), "f32");
    for (let i = 0; i < 1000; i++) {
      gpu.launch(good, "f32", i % 2 ? [b, a] : [a, b], {
        n: 3,
        by: i % 2 ? 1 / (i + 2) : i + 3,
      });
    }
    const early = gpu.read(a, 12, "f32");
    gpu.write(a, Float32Array.of(7, 8, 9), "f32");
    gpu.launch(good, "f32", [a, b], { n: 3, by: 2 });
    gpu.write(a, Float32Array.of(0, 0, 0), "f32");
    expect([...new Float32Array(await gpu.read(b, 12, "f32"))]).toEqual([14, 16, 18]);
    // Step i multiplies by i + 3, step i + 1 by 1 / (i + 3): the values come back, but for the rounding of 500 divisions.
    const back = [...new Float32Array(await early)];
    for (const [i, v] of back.entries()) expect(v).toBeCloseTo(i + 1, 4);
    gpu.release(a);
    gpu.release(b);
  });

  gpuTest("releases memory that unsubmitted work uses", async (gpu) => {
    const [a, b, c] = [gpu.allocate(4, "f32"), gpu.allocate(4, "f32"), gpu.allocate(4, "f32")];
    gpu.write(a, Float32Array.of(1, 2, 3, 4), "f32");
    gpu.launch(good, "f32", [a, b], { n: 4, by: 3 });
    gpu.launch(good, "f32", [b, c], { n: 4, by: 0.5 });
    gpu.release(a);
    gpu.release(b);
    expect([...new Float32Array(await gpu.read(c, 16, "f32"))]).toEqual([1.5, 3, 4.5, 6]);
    gpu.release(c);
  });

  gpuTest("finds a store past the end", async (gpu) => {
    const beyond = scale(`${head} if (id.x <= params.n) { y[id.x] = params.by; } }`);
    const [x, y] = [gpu.allocate(4, "f32"), gpu.allocate(4, "f32")];
    gpu.launch(beyond, "f32", [x, y], { n: 4, by: 2.5 });
    expect(await gpu.checkGuards?.(x)).toBeNull();
    expect(await gpu.checkGuards?.(y)).toBe("0 bytes past the end: 2.5 was written");
    gpu.release(x);
    gpu.release(y);
  });

  gpuTest("refuses memory that a launch reads and writes", async (gpu) => {
    const x = gpu.allocate(4, "f32");
    expect(() => gpu.launch(good, "f32", [x, x], { n: 4, by: 1 })).toThrow(
      "test/scale: y and x are the same memory, and WebGPU refuses a buffer that one dispatch writes and binds a second " +
        "time. Give y memory of its own.",
    );
    gpu.release(x);
  });

  const cutUp = pass({ ...rowwise, label: "test/cut" });
  gpuTest(
    "refuses it where the launch is cut into parts, too",
    async (gpu) => {
      const x = gpu.allocate(1024, "f32");
      expect(() => gpu.launch(cutUp, "f32", [x, x], { n: 1024, by: 1 })).toThrow(
        "test/cut: y and x are the same memory",
      );
      gpu.release(x);
    },
    // The guard zone of a debug device is part of its binding.
    { maxBinding: 2048 },
  );

  gpuTest(
    "refuses scratch that one binding does not hold",
    async (gpu) => {
      const needy = pass({
        ...rowwise,
        label: "test/scratch",
        webgpu: { ...rowwise.webgpu, scratchBytes: ({ n }: { n: number }) => 4 * n },
      });
      const [x, y] = [gpu.allocate(4, "f32"), gpu.allocate(4, "f32")];
      expect(() => gpu.launch(needy, "f32", [x, y], { n: 513, by: 1 })).toThrow(
        new BindingTooLarge(needy, "scratch", 2052, 2048),
      );
      gpu.release(x);
      gpu.release(y);
    },
    { maxBinding: 2048 },
  );

  gpuTest("a recording that could not be bound can be replayed later", async () => {
    let fails = false;
    const failing = withDevices(await platform.gpu(true), (device) =>
      over(device, {
        createBindGroup(description) {
          if (fails) throw new TypeError("no bind group");
          return device.createBindGroup(description);
        },
      }),
    );
    const other = await openWebGpu(failing, { allowSoftware: true });
    const [x, y] = [other.allocate(4, "f32"), other.allocate(4, "f32")];
    const recording = other.newRecording?.() as Recording;
    other.record?.(recording);
    other.launch(good, "f32", [x, y], { n: 4, by: 3 });
    other.record?.(null);
    await other.finish();
    const before = other.ownBytes;
    other.write(x, Float32Array.of(1, 2, 3, 4), "f32");
    await other.finish();
    fails = true;
    expect(() => other.replay?.(recording)).toThrow("no bind group");
    fails = false;
    expect(other.ownBytes).toBe(before);
    other.replay?.(recording);
    expect([...new Float32Array(await other.read(y, 16, "f32"))]).toEqual([3, 6, 9, 12]);
    other.releaseRecording?.(recording);
    other.close();
  });

  gpuTest("names the pass and line of a shader error at the next await, then goes on", async (gpu) => {
    const broken = scale(`${head}\n  y[0] = wrong;\n}`);
    const [x, y] = [gpu.allocate(4, "f32"), gpu.allocate(4, "f32")];
    gpu.write(x, Float32Array.of(1, 2, 3, 4), "f32");
    gpu.launch(broken, "f32", [x, y], { n: 4, by: 1 });
    const error = await gpu.finish().catch((e) => e);
    expect(error).toBeInstanceOf(WebGpuError);
    expect(error.message).toContain("webgpu: test/scale f32:");
    expect(error.message).toContain("test/scale.wgsl:7:10 error: unresolved value 'wrong'");
    gpu.launch(good, "f32", [x, y], { n: 4, by: 2 });
    expect([...new Float32Array(await gpu.read(y, 16, "f32"))]).toEqual([2, 4, 6, 8]);
    gpu.release(x);
    gpu.release(y);
  });

  gpuTest("says which storage types a pass has", async (gpu) => {
    const error = (() => {
      try {
        gpu.launch(good, "bf16", [], { n: 0, by: 0 });
      } catch (e) {
        return e;
      }
    })();
    expect(error).toBeInstanceOf(KernelMissing);
    expect((error as KernelMissing).available).toEqual(["f32"]);
  });

  gpuTest("refuses params that are not what they say, and sizes beyond the adapter", async (gpu) => {
    const [x, y] = [gpu.allocate(1, "f32"), gpu.allocate(1, "f32")];
    expect(() => gpu.launch(good, "f32", [x, y], { n: 1.5, by: 1 })).toThrow("test/scale: param n is 1.5, not a u32");
    expect(() => gpu.launch(good, "f32", [x, y], { n: 64 * 70_000, by: 1 })).toThrow(
      /a grid of 70000 x 1 x 1 workgroups/,
    );
    expect(() => gpu.allocate(2 ** 40, "f32")).toThrow(TooLarge);
    gpu.release(x);
    gpu.release(y);
  });

  gpuTest("rejects what is pending when it is closed, and every call after", async () => {
    const second = await openWebGpu(await platform.gpu(true), {
      allowSoftware: true,
    });
    const x = second.allocate(4, "f32");
    const pending = second.read(x, 16, "f32");
    second.close();
    await expect(pending).rejects.toThrow(DeviceLost);
    await expect(second.finish()).rejects.toThrow(DeviceLost);
    expect(() => second.allocate(4, "f32")).toThrow("webgpu: the device was closed");
  });

  test("says what to install where there is no adapter", async () => {
    const none = { requestAdapter: async () => null } as unknown as GPU;
    await expect(openWebGpu(none, { allowSoftware: true })).rejects.toThrow(
      "webgpu: no adapter. In Node, install the GPU's Vulkan driver, or Mesa 24 or newer (mesa-vulkan-drivers) to run on " +
        "the CPU; in a browser, turn hardware acceleration on (chrome://gpu says why it is off).",
    );
  });

  gpuTest("names op, pass, adapter and the driver's words where a driver fails on what WebGPU accepts", async (gpu) => {
    const failing = withDevices(await platform.gpu(true), (device) =>
      over(device, { createComputePipelineAsync: () => Promise.reject(new Error("LLVM: no registers left")) }),
    );
    const other = await openWebGpu(failing, { allowSoftware: true });
    other.prepare?.(good, "f32", { n: 4, by: 1 });
    const error = await other.prepared?.().catch((e) => e);
    expect(error).toBeInstanceOf(WebGpuError);
    expect(error.message).toBe(`webgpu: test/scale f32: LLVM: no registers left\n  adapter: ${gpu.description}`);
    // A launch tries by itself.
    const [x, y] = [other.allocate(4, "f32"), other.allocate(4, "f32")];
    other.write(x, Float32Array.of(1, 2, 3, 4), "f32");
    other.launch(good, "f32", [x, y], { n: 4, by: 2 });
    expect([...new Float32Array(await other.read(y, 16, "f32"))]).toEqual([2, 4, 6, 8]);
    other.close();
  });

  gpuTest("says the same where the driver fails as a launch compiles", async (gpu) => {
    const filters: string[] = [];
    let fails = false;
    const failing = withDevices(await platform.gpu(true), (device) =>
      over(device, {
        createComputePipeline(description) {
          fails = true;
          return device.createComputePipeline(description);
        },
        pushErrorScope(filter) {
          filters.push(filter);
          device.pushErrorScope(filter);
        },
        async popErrorScope() {
          const told = filters.pop() === "internal" && fails;
          if (told) fails = false;
          const error = await device.popErrorScope();
          return told ? { message: "LLVM: no registers left" } : error;
        },
      }),
    );
    const other = await openWebGpu(failing, { allowSoftware: true });
    const [x, y] = [other.allocate(4, "f32"), other.allocate(4, "f32")];
    other.launch(good, "f32", [x, y], { n: 4, by: 1 });
    await expect(other.finish()).rejects.toThrow(
      new WebGpuError("test/scale f32", "LLVM: no registers left", gpu.description),
    );
    other.close();
  });

  gpuTest("keeps nothing of a read that failed", async () => {
    let fails = true;
    const failing = withDevices(await platform.gpu(true), (device) =>
      over(device, {
        createBuffer(description) {
          const buffer = device.createBuffer(description);
          if (description.label === "readback" && fails)
            buffer.mapAsync = () => Promise.reject(new Error("cannot be mapped"));
          return buffer;
        },
      }),
    );
    const other = await openWebGpu(failing, { allowSoftware: true });
    const x = other.allocate(4096, "f32");
    const before = other.ownBytes;
    await expect(other.read(x, 16_384, "f32")).rejects.toThrow("cannot be mapped");
    await expect(other.read(x, 4, "f32")).rejects.toThrow("cannot be mapped");
    expect(other.ownBytes).toBe(before);
    fails = false;
    expect(new Float32Array(await other.read(x, 16_384, "f32"))).toEqual(new Float32Array(4096));
    other.close();
  });

  gpuTest("does not open a software adapter unless asked to", async (gpu, skip) => {
    if (!gpu.limits?.software) return skip(`${gpu.description} is no software adapter`);
    await expect(openWebGpu(await platform.gpu(true), {})).rejects.toThrow(
      /runs on the CPU; the cpu device is many times faster/,
    );
  });
});
