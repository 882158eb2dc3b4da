import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach } from "vitest";
import type { Binding, DeviceOptions } from "../../bindings/device.js";
import { openCuda } from "../../bindings/native/cuda/device.js";
import { platform } from "../../bindings/platform/node.js";
import { type CudaLaunch, type CudaLaunches, type Params, pass, read, write } from "../../kernels/contract.js";
import { wave } from "./native-support.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The driver of the project cuda-sim. */
export const DRIVER = process.env.CONSILIUM_CUDA_DRIVER as string;

/** cuda-kernels/rows.cu: y = x * weight + bias, with what a test plants. */
export const rows = (launch: Partial<CudaLaunch<Params>> = {}, cuda: Partial<CudaLaunches<Params>> = {}) =>
  pass({
    label: "cuda-kernels/rows",
    buffers: { x: read("T C"), weight: read("C"), bias: read("C"), y: write("T C") },
    params: { T: "u32", C: "u32" },
    reference: () => {},
    cuda: {
      dtypes: ["f32"],
      launches: [{ symbol: "rows", grid: ({ T }) => [T, 1, 1], block: () => [256, 1, 1], ...launch }],
      ...cuda,
    } as CudaLaunches<{ T: "u32"; C: "u32" }>,
  });

/** x, weight, bias, y of it, the inputs filled; what y will be. */
export function rowsOf(device: Binding, T: number, C: number) {
  const [x, weight, bias] = [wave(T * C, 0.37), wave(C, 0.11), wave(C, 0.05)];
  const buffers = [T * C, C, C, T * C].map((size) => device.allocate(size, "f32"));
  for (const [i, data] of [x, weight, bias].entries()) device.write(buffers[i], data, "f32");
  const plain = rows();
  const expected = x.map((value, i) => Math.fround(value * weight[i % C]) + bias[i % C]);
  return { buffers, y: buffers[3], expected, launch: () => device.launch(plain, "f32", buffers, { T, C }) };
}

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});

/** A binding that is closed after the test. */
export function open(options: DeviceOptions = {}) {
  const device = openCuda(platform.native(), platform.cudaKernels(), options);
  closing.push(() => device.close());
  return device;
}

/** Sets variables of the environment until the end of the test. */
export function setEnvironment(values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) {
    const before = process.env[name];
    process.env[name] = value;
    closing.push(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
}

/** Of a simulated machine: CONSILIUM_SIMT_<name>. */
export const machine = (settings: Readonly<Record<string, string | number>>) =>
  Object.fromEntries(Object.entries(settings).map(([name, value]) => [`CONSILIUM_SIMT_${name}`, String(value)]));

/** When a GPU may carry out what it is given: before the call returns, or not before somebody waits. */
export const paces = [
  ["at once", 0],
  ["late", 1],
] as const;
export const setPace = (LATE: number) => setEnvironment(machine({ LATE }));
/** For all tests of the block. */
export const atPace = (late: number) => beforeEach(() => setPace(late));

/**
 * Runs an ES module in a Node of its own, since a fault ends the work of a process. It has `engine`; `launchOf`, which makes the
 * launch of cuda-kernels/rows for a device; and `attempt`, which prints what a call gives or throws. Its exit code and output.
 */
export function runNode(source: string, env: NodeJS.ProcessEnv = {}) {
  const script = `
    const engine = await import(${JSON.stringify(`${root}dist/engine/index.js`)});
    const { pass, read, write } = await import(${JSON.stringify(`${root}dist/kernels/contract.js`)});
    const rows = pass({
      label: "cuda-kernels/rows",
      buffers: { x: read("T C"), weight: read("C"), bias: read("C"), y: write("T C") },
      params: { T: "u32", C: "u32" },
      reference() {},
      cuda: {
        dtypes: ["f32"],
        launches: [{ symbol: "rows", grid: ({ T }) => [T, 1, 1], block: () => [256, 1, 1] }],
      },
    });
    function launchOf(device, T = 3, C = 40) {
      const memories = [T * C, C, C, T * C].map((size) => device.allocate(size, "f32", "x").memory);
      [T * C, C, C].forEach((size, i) => device.binding.write(memories[i], new Float32Array(size).fill(i + 1), "f32"));
      return () => device.launch(rows, "f32", memories, { T, C });
    }
    async function attempt(what, call) {
      try {
        await call();
        console.log(what + ": fine");
      } catch (error) {
        console.log(what + ": " + error.name + ": " + error.message);
      }
    }
    ${source}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    env: { ...process.env, ...env },
    timeout: 50_000,
  });
  let output = "";
  const collect = (data: Buffer) => {
    output += data;
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  return new Promise<{ code: number | null; output: string }>((resolve) => {
    child.on("close", (code) => resolve({ code, output: output.trim() }));
  });
}
