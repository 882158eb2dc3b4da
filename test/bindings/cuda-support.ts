import { execFile, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach } from "vitest";
import type { DeviceOptions } from "../../bindings/device.js";
import { openCuda } from "../../bindings/native/cuda/device.js";
import { platform } from "../../bindings/platform/node.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The simulated driver and kernels for it: see test/simt. */
export const SIMULATED = {
  CONSILIUM_CUDA_DRIVER: `${root}build/simt/libcuda-simt.so`,
  CONSILIUM_CUDA_KERNELS: `${root}build/simt`,
};

/** Compiles the driver and these folders of kernels, where they have changed; this process opens it from now on. */
export async function simulate(...folders: string[]): Promise<void> {
  await promisify(execFile)(process.execPath, [`${root}scripts/simt-kernels.mjs`, ...folders], { cwd: root });
  Object.assign(process.env, SIMULATED);
}

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
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

/**
 * Runs an ES module in a Node of its own, since a fault ends the work of a process. It has `engine`, `layerNorm`, a function
 * that makes a layer norm for a device, and `attempt`, which prints what a call gives or throws. Its exit code and output.
 */
export function runNode(source: string, env: NodeJS.ProcessEnv = {}) {
  const script = `
    const engine = await import(${JSON.stringify(`${root}dist/engine/index.js`)});
    const { forward } = await import(${JSON.stringify(`${root}dist/kernels/layer-norm/kernels.js`)});
    function layerNorm(device, T = 3, C = 40) {
      const memories = [T * C, C, C, T * C, T, T].map((size) => device.allocate(size, "f32", "x").memory);
      [T * C, C, C].forEach((size, i) => device.binding.write(memories[i], new Float32Array(size).fill(i + 1), "f32"));
      return () => device.launch(forward, "f32", memories, { T, C, eps: 1e-5 });
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
    env: { ...process.env, ...SIMULATED, ...env },
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
