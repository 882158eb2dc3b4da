#!/usr/bin/env node
// What a GPU host runs (see bundle.mjs): compiles the CUDA kernels where they are missing, runs the CUDA tests, the benchmarks
// beside their peers, the sanitizers over small cases, and the WebGPU tests through the vendor's Vulkan driver. The most
// important first, each step within its own limit and all within --minutes; what was done is written after every step.
//
//   node scripts/gpu/run.mjs [--minutes 20] [--out gpu-results] [--only tests,bench] [--dry-run]
//
// --dry-run says what it would run, step by step, and runs what needs no GPU. CONSILIUM_PYTHON names the Python of the peers.
import { spawn, spawnSync } from "node:child_process";
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { stepsOf } from "./steps.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "20" },
    out: { type: "string", default: "gpu-results" },
    only: { type: "string" },
    "dry-run": { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
const minutes = Number(values.minutes);
if (values.help || !(minutes > 0)) {
  console.log(
    readFileSync(fileURLToPath(import.meta.url), "utf8")
      .split("\n")
      .slice(1, 9)
      .join("\n")
      .replaceAll("// ", ""),
  );
  process.exit(values.help ? 0 : 2);
}
const out = resolve(values.out);
mkdirSync(out, { recursive: true });
const dry = values["dry-run"];

/** The command's first line of output, or null where it does not run. */
function ask(command, ...args) {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}

const QUERY =
  "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.draw,power.limit,temperature.gpu,memory.total";
const gpu = () => ask("nvidia-smi", `--query-gpu=${QUERY}`, "--format=csv,noheader");
const vulkan = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/nvidia/share/vulkan/icd.d"]
  .flatMap((folder) => (existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []))
  .find((path) => path.includes("nvidia"));
const host = {
  gpu: gpu() !== null,
  nvcc: ask("nvcc", "--version") !== null,
  sanitizer: ask("compute-sanitizer", "--version") !== null,
  vulkan,
  kernels: existsSync(join(root, "build/cuda")),
};

const started = Date.now();
const left = () => minutes * 60 - (Date.now() - started) / 1000;
const report = {
  version: 1,
  date: new Date().toISOString(),
  host: {
    os: `${os.type()} ${os.release()}`,
    chip: os.cpus()[0]?.model.trim(),
    cores: os.cpus().length,
    node: process.version,
  },
  gpu: { query: QUERY, before: gpu(), after: null },
  steps: [],
  benches: {},
};

/** All or nothing: a run that is cut off leaves the last whole file. */
function save() {
  report.gpu.after = gpu();
  const file = join(out, "gpu.json");
  writeFileSync(`${file}.part`, `${JSON.stringify(report, null, 2)}\n`);
  renameSync(`${file}.part`, file);
}

/** Ends with the exit code, or null where the limit ended it. */
function run({ name, command, args, env }, seconds) {
  return new Promise((done) => {
    const log = createWriteStream(join(out, `${name}.log`));
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    let over = false;
    const timer = setTimeout(() => {
      over = true;
      process.kill(-child.pid, "SIGKILL");
    }, 1000 * seconds);
    child.on("error", (error) => log.write(`${error.message}\n`));
    child.on("close", (code) => {
      clearTimeout(timer);
      log.end(() => done(over ? null : (code ?? 1)));
    });
  });
}

/** What the step's tests or rows came to, from the file that it wrote. */
function harvest({ name, tests, bench }) {
  const file = join(out, `${name}.json`);
  if (!existsSync(file)) return {};
  const found = JSON.parse(readFileSync(file, "utf8"));
  if (bench) report.benches[name] = found;
  return tests ? { passed: found.numPassedTests, failed: found.numFailedTests, skipped: found.numPendingTests } : {};
}

const chosen = values.only?.split(",");
let bad = 0;
for (const step of stepsOf({ out, host, node: process.execPath })) {
  if (chosen && !chosen.some((name) => step.name.startsWith(name))) continue;
  const seconds = Math.floor(Math.min(step.seconds, left()));
  const reason =
    step.missing ?? (dry && step.gpu ? "needs the GPU: rehearsed only" : seconds < 5 ? "no time is left" : null);
  const line = { name: step.name, command: [step.command, ...step.args].join(" ") };
  const before = Date.now();
  if (reason) report.steps.push({ ...line, status: "skipped", reason });
  else {
    const code = await run(step, seconds);
    const status = code === null ? "out of time" : code === 0 ? "passed" : "failed";
    if (status === "failed") bad++;
    report.steps.push({ ...line, status, seconds: (Date.now() - before) / 1000, ...harvest(step) });
  }
  const { status, passed, failed } = report.steps.at(-1);
  const counts = passed === undefined ? "" : `: ${passed} passed, ${failed} failed`;
  console.log(
    `${((Date.now() - started) / 1000).toFixed(0).padStart(5)} s  ${step.name.padEnd(24)} ${status}${counts}${reason ? ` (${reason})` : ""}`,
  );
  if (!dry || !step.gpu) save();
}
save();
console.log(`Written: ${join(out, "gpu.json")}, and a log for each step.`);
process.exit(bad === 0 ? 0 : 1);
