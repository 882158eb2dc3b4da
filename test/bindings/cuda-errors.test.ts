import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { findCudaKernels } from "../../bindings/platform/node-cuda-kernels.js";
import { add, type DeviceOptions, indexAdd, ones, openDevice, scope, zeros } from "../../engine/index.js";
import { DRIVER, machine, runNode, setEnvironment } from "./cuda-support.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-cuda-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const refusal = (name: "cuda" | `cuda:${number}` = "cuda", options: DeviceOptions = {}) =>
  openDevice(name, options).then(
    (device) => {
      device.close();
      throw new Error("it opened");
    },
    (error: Error) => `${error.name}: ${error.message}`,
  );

/** The driver under another name: it is asked anew for its version. */
function another(name: string): string {
  const path = join(folder, name);
  symlinkSync(DRIVER, path);
  return path;
}

describe("what does not open says why, and what to do", () => {
  test.each<[string, Record<string, string>, string]>([
    [
      "no driver",
      { CONSILIUM_CUDA_DRIVER: "/nowhere/libcuda.so.1" },
      "there is no NVIDIA driver here (/nowhere/libcuda.so.1: cannot open shared object file: No such file or directory). Install NVIDIA's driver 525 or later, or use the webgpu or cpu device.",
    ],
    [
      "a library that is no driver",
      { CONSILIUM_CUDA_DRIVER: "libm.so.6" },
      "libm.so.6 is not NVIDIA's driver: it does not tell its version. Install NVIDIA's driver 525 or later, or use the webgpu or cpu device.",
    ],
    [
      "an old driver",
      { ...machine({ DRIVER_VERSION: 11080 }), CONSILIUM_CUDA_DRIVER: another("old.so") },
      "the NVIDIA driver is too old: it is for CUDA 11.8, and 12.0 is needed. Install NVIDIA's driver 525 or later, or use the webgpu or cpu device.",
    ],
    [
      "no GPU",
      { ...machine({ DEVICES: 0 }), CONSILIUM_CUDA_DRIVER: another("none.so") },
      "the driver finds no NVIDIA GPU. Where there is one, look at CUDA_VISIBLE_DEVICES, or use the webgpu or cpu device.",
    ],
    [
      "an old GPU",
      machine({ CAPABILITY: 75 }),
      "cuda-sim: kernels on the CPU is sm_75, and the kernels need sm_80 (Ampere) or later. Use the webgpu or cpu device.",
    ],
    [
      "a GPU whose memory another process holds",
      machine({ MEMORY: 1 << 30, HELD: 1 << 30 }),
      "cuda-sim: kernels on the CPU has no memory left for this process (0 MiB of 1024 MiB are free): another process holds it. nvidia-smi shows which; end it, or choose another GPU by its index.",
    ],
    [
      "one that has a little left",
      machine({ MEMORY: 1 << 30, HELD: (1 << 30) - (4 << 20) }),
      "has no memory left for this process (4 MiB of 1024 MiB are free): another process holds it.",
    ],
    [
      "a folder of kernels that is not there",
      { CONSILIUM_CUDA_KERNELS: "/nowhere" },
      "CONSILIUM_CUDA_KERNELS names /nowhere, which is not there.",
    ],
  ])("%s", async (_, environment, text) => {
    setEnvironment(environment);
    const message = await refusal();
    expect(message).toContain('DeviceError: openDevice("cuda"): ');
    expect(message).toContain(text);
  });

  test("an index that there is no GPU for, or that is none", async () => {
    expect(await refusal("cuda:1")).toBe(
      'DeviceError: openDevice("cuda"): there is no GPU 1: the driver finds 1, counted from 0. See CUDA_VISIBLE_DEVICES.',
    );
    expect(await refusal("cuda", { index: 2000 })).toContain("the index of a GPU must be at most 1024");
    expect(await refusal("cuda", { index: -1 })).toContain("the index of a GPU is a whole number from 0: -1");
    await expect(openDevice("gpu" as never)).rejects.toThrow(
      'openDevice: unknown device "gpu". Known: cuda, webgpu, cpu, reference, and cuda:1 for a GPU by its index.',
    );
    await expect(openDevice("cuda:x" as never)).rejects.toThrow('unknown device "cuda:x"');
  });
});

describe("the compiled kernels of a package", () => {
  const root = join(folder, "package");
  const compiled = join(root, "build", "cuda");
  const message = () => {
    try {
      return findCudaKernels(root).architectures;
    } catch (error) {
      return (error as Error).message;
    }
  };

  test("missing, unfinished, of other sources, and right", () => {
    setEnvironment({ CONSILIUM_CUDA_KERNELS: "" });
    expect(message()).toBe(
      "the CUDA kernels are not compiled. With nvcc of CUDA 12 or later: CONSILIUM_CUDA=on npx consilium setup",
    );
    mkdirSync(join(compiled, "copy"), { recursive: true });
    expect(message()).toMatch(/^compiling the CUDA kernels did not end\. Go on with: CONSILIUM_CUDA=on npx consilium/);
    writeFileSync(join(compiled, "compiled.json"), JSON.stringify({ architectures: ["sm_80"], sources: "others" }));
    expect(message()).toEqual(["sm_80"]);
    writeFileSync(join(compiled, "copy", "pad.fatbin"), "");
    expect(findCudaKernels(root).fileOf("copy/pad")).toBe(join(compiled, "copy", "pad.fatbin"));
    expect(findCudaKernels(root).fileOf("copy/strided")).toBeNull();
    // With the sources beside it there is something to compare with.
    mkdirSync(join(root, "bindings", "native"), { recursive: true });
    mkdirSync(join(root, "kernels", "copy"), { recursive: true });
    copyFileSync("bindings/native/sources.cjs", join(root, "bindings", "native", "sources.cjs"));
    expect(message()).toMatch(
      /^the CUDA kernels were compiled from other sources than are here now\. Compile them with: /,
    );
  });
});

describe("memory of the GPU", () => {
  test("the budget is nine tenths of what is free, not of the host's", async () => {
    setEnvironment(machine({ MEMORY: 64 << 20, HELD: 4 << 20 }));
    using device = await openDevice("cuda");
    expect(device.memory().budget).toBe(Math.floor((60 << 20) * 0.9));
  });

  test("what the driver refuses in the middle of a step names the allocation; a smaller one works", async () => {
    setEnvironment(machine({ MEMORY: 8 << 20 }));
    using device = await openDevice("cuda", { memoryBudget: 1 << 30 });
    const kept = device.allocate(1 << 20, "f32", "linear/forward");
    const error = await Promise.resolve()
      .then(() => device.allocate(2 << 20, "f32", "attention/forward"))
      .catch((e) => e);
    expect(error.name).toBe("OutOfMemoryError");
    expect(error.message).toMatch(
      /^attention\/forward: 8\.0 MiB do not fit: 4\.0 MiB of 1024\.0 MiB are in use\. The device refused it: cuda: 8388608 bytes of cuda-sim: kernels on the CPU, where \d of 8 MiB are free: CUDA_ERROR_OUT_OF_MEMORY: .*\. Use a smaller batch, activation checkpointing\.$/,
    );
    const smaller = device.allocate(1 << 18, "f32", "attention/forward");
    await device.finish();
    smaller.release();
    kept.release();
    // What is kept for reuse makes room.
    device.allocate(6 << 18, "f32", "attention/forward");
    await device.finish();
  });
});

test("where the host has no memory for what a launch needs, that is the error, and the device goes on", async () => {
  using device = await openDevice("cuda");
  const x = ones([4], { device });
  await device.finish();
  setEnvironment(machine({ HOST_FULL: 1 }));
  scope(() => add(x, x).dispose());
  const error = await device.finish().catch((e) => e);
  expect(error.name).toBe("OutOfMemoryError");
  expect(error.message).toBe("cuda: the host has no memory left");
  delete process.env.CONSILIUM_SIMT_HOST_FULL;
  expect(await add(x, x).data()).toEqual(new Float32Array(4).fill(2));
});

test("indices into a dimension without an element are faults, and nothing is read by them", async () => {
  using device = await openDevice("cuda", { debug: true });
  const [base, x] = [zeros([0, 8], { device }), ones([40, 8], { device })];
  indexAdd(base, 0, zeros([40], { device, dtype: "i32" }), x);
  await expect(device.finish()).rejects.toThrow(/^copy\/index-add: index 0 at position \d+ is out of range\./);
});

const GONE = "Its tensors are gone. Open it again with";

describe("a fault of the GPU", () => {
  const source = `
    const device = await engine.openDevice("cuda", OPTIONS);
    const launch = launchOf(device);
    launch(); launch(); launch();
    await attempt("finish", () => device.finish());
    await attempt("finish", () => device.finish());
    await attempt("launch", launch);
    await attempt("tensor", () => engine.zeros([4], { device }));
    await attempt("close", () => device.close());
    await attempt("open", () => engine.openDevice("cuda"));
    await attempt("cpu", async () => (await engine.openDevice("cpu")).close());`;
  const lines = async (options: string) => {
    const { code, output } = await runNode(source.replace("OPTIONS", options), machine({ FAIL_LAUNCH: 2 }));
    expect(code, output).toBe(0);
    return output.split("\n");
  };

  test("loses the device, not the process; the next to open says why; other devices open", async () => {
    const [finish, again, launch, tensor, close, open, cpu] = await lines("{}");
    const cause =
      "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered (launch 2 was told to fail). It was met in one of the last 3 launches, which ended with cuda-kernels/rows f32 (rows_f32), grid 3 x 1 x 1, block 256 x 1 x 1. A device opened with { debug: true } says in which.";
    expect(finish).toContain(`finish: DeviceLostError: the cuda device was lost: ${cause} ${GONE}`);
    expect(again).toBe(finish);
    expect(launch).toBe(`launch: DeviceLost: cuda: the device was lost: ${cause}`);
    expect(tensor).toContain("tensor: DeviceLostError: the cuda device was lost: ");
    expect(close).toBe("close: fine");
    expect(open).toBe(
      `open: DeviceError: openDevice("cuda"): the work of this process on cuda-sim: kernels on the CPU failed earlier (${cause}), and the driver keeps its context broken. Start a new process.`,
    );
    expect(cpu).toBe("cpu: fine");
  });

  test("a debug device names the launch that met it", async () => {
    const [finish] = await lines("{ debug: true }");
    expect(finish).toContain(
      `the cuda device was lost: cuda-kernels/rows f32 (rows_f32), grid 3 x 1 x 1, block 256 x 1 x 1: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered (launch 2 was told to fail). ${GONE}`,
    );
  });

  test("in a replay", async () => {
    const { output } = await runNode(
      `const device = await engine.openDevice("cuda");
      const launch = launchOf(device);
      const step = engine.capture(device, () => { launch(); launch(); });
      await attempt("step", () => device.finish());
      await attempt("replay", () => {
        step.replay();
        return device.finish();
      });
      await attempt("dispose", () => step.dispose());`,
      machine({ FAIL_LAUNCH: 3 }),
    );
    const [step, replay, dispose] = output.split("\n");
    expect(step).toBe("step: fine");
    expect(replay).toContain("replay: DeviceLostError: the cuda device was lost: CUDA_ERROR_ILLEGAL_ADDRESS: ");
    expect(replay).toContain("It was met in a replay of 2 launches.");
    expect(dispose).toBe("dispose: fine");
  });
});

describe("a process", () => {
  test("with an idle device ends by itself, with pending work after it", async () => {
    expect(await runNode(`await engine.openDevice("cuda"); console.log("idle");`)).toEqual({ code: 0, output: "idle" });
    const pending = await runNode(`
      const device = await engine.openDevice("cuda");
      const launch = launchOf(device);
      for (let i = 0; i < 20; i++) launch();
      device.finish().then(() => console.log("finished"));`);
    expect(pending).toEqual({ code: 0, output: "finished" });
  });
});

test("kernels that this driver cannot load say what to do", async () => {
  const kernels = join(folder, "kernels");
  mkdirSync(join(kernels, "cuda-kernels"), { recursive: true });
  writeFileSync(join(kernels, "cuda-kernels", "rows.fatbin"), "not for this GPU");
  const { output } = await runNode(
    `const device = await engine.openDevice("cuda");
    await attempt("launch", launchOf(device));
    await attempt("finish", () => device.finish());`,
    { CONSILIUM_CUDA_KERNELS: kernels },
  );
  const [launch, finish] = output.split("\n");
  expect(launch).toMatch(
    /^launch: Error: cuda-kernels\/rows: cuda: .*cuda-kernels\/rows\.fatbin: CUDA_ERROR_INVALID_IMAGE: .*\. It was compiled for another GPU, or by a newer CUDA than this driver's \(12\.4\)\. Update the driver, or compile the kernels here: CONSILIUM_CUDA=on npx consilium setup$/,
  );
  expect(finish).toBe("finish: fine");
});
