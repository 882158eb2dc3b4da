import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { platform } from "../../bindings/platform/node.js";

const addon = platform.native();

/** Runs an ES module in a Node of its own, which has `addon`, `layerNorm` and `Worker`; its exit code and output. */
function runNode(source: string, env: NodeJS.ProcessEnv = {}) {
  const script = `${PRELUDE}\n${source}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    env: { ...process.env, ...env },
    timeout: 30_000,
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

/** Speaks to the addon without bindings/native/device.ts, as plain JavaScript: one layer norm, encoded by hand. */
const PRELUDE = `
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
const path = ${JSON.stringify(fileURLToPath(new URL("../../build/Release/consilium.node", import.meta.url)))};
const addon = createRequire(import.meta.url)(path);
function layerNorm(device, T, C) {
  const sizes = [T * C, C, C, T * C, T, T].map((n) => 4 * n);
  const addresses = sizes.map((bytes) => device.allocate(bytes));
  addresses.slice(0, 3).forEach((address, b) => {
    device.write(address, Float32Array.from({ length: sizes[b] / 4 }, (_, i) => Math.sin(i * (b + 0.37))));
  });
  const words = new Uint32Array(8 + 12 + 4);
  words.set([device.findKernel("layer_norm_forward_f32"), 0, T, 16, 6, 3, 0, 0]);
  addresses.forEach((address, b) => words.set([address % 2 ** 32, Math.floor(address / 2 ** 32)], 8 + 2 * b));
  words.set([T, C], 20);
  new Float32Array(words.buffer)[22] = 1e-5;
  return { launch: () => device.submit(words, 24), read: () => device.read(addresses[3], sizes[3]) };
}`;

describe("life cycle in a process of its own", () => {
  test("a process with an idle device ends by itself, with pending work after it", async () => {
    const idle = await runNode(`addon.createDevice(2).allocate(1 << 20); console.log("idle");`);
    expect(idle).toEqual({ code: 0, output: "idle" });
    const pending = await runNode(`
      const { launch, read } = layerNorm(addon.createDevice(2), 3000, 256);
      for (let i = 0; i < 20; i++) launch();
      read().then((data) => console.log(data.byteLength));`);
    expect(pending).toEqual({ code: 0, output: `${3000 * 256 * 4}` });
    const dropped = await runNode(`
      const { launch } = layerNorm(addon.createDevice(2), 3000, 256);
      for (let i = 0; i < 50; i++) launch();
      console.log("dropped");`);
    expect(dropped).toEqual({ code: 0, output: "dropped" });
  });

  test("three worker threads at once, one of them terminated at work, and a clean exit", async () => {
    const result = await runNode(`
      const job = ${JSON.stringify(PRELUDE)} + \`
        import { parentPort, workerData } from "node:worker_threads";
        const { launch, read } = layerNorm(addon.createDevice(2), 500, 64);
        parentPort.postMessage("started");
        do { for (let i = 0; i < 20; i++) launch(); await read(); } while (workerData.forever);
        parentPort.postMessage(new Uint32Array(await read()).reduce((a, b) => (a * 31 + b) >>> 0, 7));\`;
      const url = new URL("data:text/javascript," + encodeURIComponent(job.replace("import.meta.url", "path")));
      const start = (forever) => new Worker(url, { workerData: { forever } });
      const finished = [false, false].map((forever) => new Promise((resolve, reject) => {
        start(forever).on("message", (m) => m !== "started" && resolve(m)).on("error", reject);
      }));
      const endless = start(true);
      await new Promise((resolve, reject) => endless.on("message", resolve).on("error", reject));
      await new Promise((resolve) => setTimeout(resolve, 50));
      const code = await endless.terminate();
      const [a, b] = await Promise.all(finished);
      const { launch, read } = layerNorm(addon.createDevice(1), 500, 64);
      launch();
      const mine = new Uint32Array(await read()).reduce((a, b) => (a * 31 + b) >>> 0, 7);
      console.log(code, a === mine, b === mine);`);
    expect(result).toEqual({ code: 0, output: "1 true true" });
  });

  test("devices that nobody holds are collected, threads and memory with them", async () => {
    const result = await runNode(
      `import { setFlagsFromString } from "node:v8";
      import { readdirSync } from "node:fs";
      import { runInNewContext } from "node:vm";
      setFlagsFromString("--expose-gc");
      const gc = runInNewContext("gc");
      const count = () => readdirSync("/proc/self/task").length;
      const before = count();
      for (let i = 0; i < 20; i++) addon.createDevice(3).allocate(1 << 22);
      const during = count();
      for (let i = 0; i < 5; i++) { gc(); await new Promise((resolve) => setTimeout(resolve, 20)); }
      console.log(during - before, count() - before);`,
    );
    expect(result).toEqual({ code: 0, output: "60 0" });
  });
});

describe("instruction sets", () => {
  // On x86 every build has SSE4 and the best target of its machine; AVX2 beside AVX-512 only one with all targets.
  const known = /AVX|SSE/.test(addon.target) ? [...new Set([addon.target, "SSE4"])] : [addon.target];
  const onEach = async (source: string) => {
    const results: number[][] = [];
    for (const name of known) {
      const { code, output } = await runNode(source, { CONSILIUM_SIMD: name });
      expect(code, output).toBe(0);
      expect(output.split(" ", 1)[0]).toBe(name);
      results.push(JSON.parse(output.slice(name.length + 1)));
    }
    return results;
  };

  test("CONSILIUM_SIMD restricts the dispatch: sums are joined by other lanes, so their bits differ", async () => {
    const results = await onEach(`
      const { launch, read } = layerNorm(addon.createDevice(2), 1, 1000);
      launch();
      console.log(addon.target, JSON.stringify([...new Float32Array(await read())]));`);
    for (const [i, result] of results.entries()) {
      for (const other of results.slice(0, i)) expect(result).not.toEqual(other);
      for (const [c, value] of result.entries()) expect(Math.abs(value - results[0][c])).toBeLessThan(2e-6 * 4);
    }
  });

  test("a worker's addon is restricted alike, and does not free the others", async () => {
    const results = await onEach(`
      const worker = new Worker("require(" + JSON.stringify(path) + ")", { eval: true, execArgv: [] });
      await new Promise((resolve, reject) => worker.on("exit", resolve).on("error", reject));
      const { launch, read } = layerNorm(addon.createDevice(2), 1, 1000);
      launch();
      console.log(addon.target, JSON.stringify([...new Float32Array(await read())]));`);
    for (const [i, result] of results.entries())
      for (const other of results.slice(0, i)) expect(result).not.toEqual(other);
  });

  test("an unknown name is an error that lists the known ones", async () => {
    const { code, output } = await runNode("", { CONSILIUM_SIMD: "MMX" });
    expect(code).toBe(1);
    expect(output).toContain(`CONSILIUM_SIMD=MMX is not one of`);
    expect(output).toContain(addon.target);
  });
});
