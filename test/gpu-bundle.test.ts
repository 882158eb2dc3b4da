import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openPeers } from "../bench/contenders/index.js";
import { tasksOf } from "../bench/suites/index.js";
import type { Suite } from "../bench/suites/names.js";
import { packagesOf } from "../scripts/gpu/closure.mjs";
import { carryLibraries, librariesOf } from "../scripts/gpu/libraries.mjs";
import { problemsOf } from "../scripts/gpu/report.mjs";
import { BENCHES, stepsOf } from "../scripts/gpu/steps.mjs";

const root = fileURLToPath(new URL("../", import.meta.url));
const addon = join(root, "build/Release/consilium.node");
const linux = process.platform === "linux";
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "consilium-gpu-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "scripts/gpu/run.mjs"), ...args], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, PATH: `${folder}:${process.env.PATH}` },
  });
  return { status, stdout, stderr };
}

describe("what the archive for a GPU host carries", () => {
  test.skipIf(!linux || !existsSync(addon))("what the addon links to, so that it loads where Highway is not", () => {
    mkdirSync(join(folder, "build"));
    cpSync(addon, join(folder, "build/consilium.node"));
    const carried = carryLibraries(folder);
    expect(carried).toContain("libhwy.so.1");
    expect(carried.filter((name) => /^lib(c|m|dl|pthread)\.so/.test(name))).toEqual([]);
    const env = { LD_LIBRARY_PATH: join(folder, "lib") };
    expect(librariesOf(join(folder, "build/consilium.node"), env).get("libhwy.so.1")).toBe(
      join(folder, "lib/libhwy.so.1"),
    );
    // The host's own are taken where there are some.
    expect(existsSync(join(folder, "lib/libstdc++.so.6"))).toBe(false);
    expect(existsSync(join(folder, "lib/if-missing/libstdc++.so.6"))).toBe(true);
  });

  test.skipIf(!linux)("what decodes images, with libvips beside it", () => {
    const packages = packagesOf(root, ["sharp"]);
    for (const path of packages) cpSync(join(root, path), join(folder, path), { recursive: true });
    expect(packages.filter((path) => /sharp-libvips-linux/.test(path))).toHaveLength(1);
    expect(carryLibraries(folder).filter((name) => /vips/.test(name))).toEqual([]);
  });

  test.skipIf(!linux)("a library that is nowhere is an error", () => {
    const path = packagesOf(root, ["sharp"]).find((name) => /\/sharp-linux/.test(name)) as string;
    cpSync(join(root, path), join(folder, path), { recursive: true });
    expect(() => carryLibraries(folder)).toThrow(/sharp-linux.*\.node needs libvips-cpp\.so\S*, which is not here$/);
  });
});

describe("the steps of a GPU host", () => {
  const host = {
    ...{ gpu: true, nvcc: true, sanitizer: "compute-sanitizer", vulkan: "icd.json" },
    ...{ kernels: false, simulated: false },
  };
  const steps = stepsOf({ out: "out", host, node: "node" });

  test("files that they name are there", () => {
    const files = steps.flatMap(({ args }) => args.filter((arg) => /^(test|bin|scripts|node_modules)\//.test(arg)));
    expect(files.length).toBeGreaterThan(steps.length);
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  test("what is missing is said, of each step that needs it", () => {
    const bare = stepsOf({
      out: "out",
      host: { gpu: true, nvcc: false, kernels: false, simulated: false },
      node: "node",
    });
    const missing = bare.flatMap(({ name, missing }) => (missing ? [`${name}: ${missing}`] : []));
    expect(missing).toEqual([
      "compile: neither nvcc nor compiled kernels are here",
      ...["memcheck", "racecheck", "synccheck", "initcheck"].map(
        (t) => `sanitizer-${t}: there is no compute-sanitizer`,
      ),
      "webgpu-ops: there is no Vulkan driver of NVIDIA",
    ]);
  });

  test("all run where all is there", () => {
    expect(steps.filter(({ missing }) => missing)).toEqual([]);
    const names = steps.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test("benchmarks of what each step claims: products, mixtures, attention, adapters, captured steps", () => {
    const suites = BENCHES.map(({ suite }) => suite);
    expect(suites).toEqual(expect.arrayContaining(["matmul", "moe", "attention", "lora", "replay"]));
  });

  const given = BENCHES.filter(({ shapes }) => shapes);
  test.each(given.map((bench) => [bench.name, bench] as const))("bench %s: shapes and peers", async (_, bench) => {
    for (const shapes of [bench.shapes, bench.small])
      for (const { dtypes } of tasksOf(bench.suite as Suite, { shapes }).tasks) expect(dtypes).toContain("bf16");
    // Those that are not known are an error; on the reference device none is opened.
    const others = bench.peers.split(",").filter((name) => name === "torch");
    const opened = await openPeers(others, { threads: 1, device: "reference" });
    expect(opened.map(({ peer }) => peer)).toEqual(others.map(() => null));
  });
});

describe("run.mjs", () => {
  test("--help", () => {
    const { status, stdout } = run("--help");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^What a GPU host runs: /);
    expect(stdout).not.toMatch(/^import/m);
  });

  test.each([
    [
      "a step that there is none of",
      ["--only", "tests,benhc"],
      "--only benhc: no step begins so. Steps: compile, devices,",
    ],
    ["minutes that are none", ["--minutes", "soon"], "--minutes soon is no number above 0\n"],
    ["an option that there is none of", ["--hurry"], "Unknown option '--hurry'"],
  ])("%s: refused, with how it is used", (_, args, text) => {
    const { status, stderr } = run(...args);
    expect(status).toBe(2);
    expect(stderr).toContain(`run.mjs: ${text}`);
    expect(stderr).toContain("--dry-run");
    expect(existsSync(join(folder, "gpu-results"))).toBe(false);
  });

  test.skipIf(!existsSync(addon) || !existsSync(join(root, "dist")))(
    "--dry-run runs in small what needs a GPU, and says what nothing can be run of",
    { timeout: 60_000 },
    () => {
      const { status, stdout } = run(
        "--dry-run",
        "--only",
        "devices,bench-matmul,sanitizer-memcheck",
        "--out",
        "found",
      );
      expect(stdout).toMatch(/devices +passed\n/);
      const report = JSON.parse(readFileSync(join(folder, "found/gpu.json"), "utf8"));
      expect(report.steps.map(({ name, status }: { name: string; status: string }) => `${name} ${status}`)).toEqual([
        "devices passed",
        "bench-matmul passed",
        "sanitizer-memcheck skipped",
      ]);
      expect(problemsOf(report)).toEqual([]);
      expect(report.benches["bench-matmul"].rows[0]).toMatchObject({ device: "cpu", dtype: "bf16", shape: "64x64x64" });
      expect(report.steps[2].reason).toBe("it needs the GPU, in a dry run too");
      expect(status).toBe(0);
    },
  );

  test.skipIf(!linux || !existsSync(join(root, "dist")))("driver, clocks and power of each GPU are written", () => {
    const values = "NVIDIA H100, 570.1, 81559 MiB, 1980 MHz, 2619 MHz, 1980 MHz, 2619 MHz, 119.80 W, 700.00 W, 31";
    writeFileSync(join(folder, "nvidia-smi"), `#!/bin/sh\necho '${values}'\n`, { mode: 0o755 });
    const { status, stdout } = run("--only", "devices", "--out", "found");
    expect(status, stdout).toBe(0);
    const report = JSON.parse(readFileSync(join(folder, "found/gpu.json"), "utf8"));
    expect(problemsOf(report)).toEqual([]);
    expect(report.gpus.before).toEqual(report.gpus.after);
    expect(report.gpus.before[0]).toMatchObject({
      ...{ name: "NVIDIA H100", driver_version: "570.1", "clocks.sm": "1980 MHz", "power.limit": "700.00 W" },
    });
  });
});

describe("gpu.json", () => {
  const step = { name: "devices", status: "passed", seconds: 1 };
  const whole = { date: "2026-11-26T00:00:00Z", host: { chip: "some" }, gpus: { before: null }, steps: [step] };

  test.each([
    ["all is there", {}, []],
    ["no date", { date: "soon" }, ["no date"]],
    ["a GPU alone by its name", { gpus: { before: [{ name: "H100" }] } }, ["a GPU without driver, clocks or power"]],
    ["nothing was run", { steps: [] }, ["no steps"]],
    ["no reason", { steps: [{ name: "a", status: "skipped" }] }, ["a: skipped without a reason"]],
    ["an unknown end", { steps: [{ ...step, status: "run" }] }, ["devices: status run"]],
    ["no rows", { benches: { matmul: { rows: [] } } }, ["matmul: no rows"]],
  ])("%s", (_, change, problems) => {
    expect(problemsOf({ ...whole, ...change })).toEqual(problems);
  });
});
