#!/usr/bin/env node
import { spawn } from "node:child_process";
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { areCompiled, findNvcc } from "../cuda-kernels.mjs";
import { ask, gpus, newReport } from "./report.mjs";
import { stepsOf } from "./steps.mjs";

const HELP = `What a GPU host runs: compiles the CUDA kernels where the archive has none, runs the CUDA tests, the benchmarks beside
PyTorch, the sanitizers over small cases, and the WebGPU tests through the vendor's Vulkan driver. The most important first,
each step within its own limit and all within --minutes; what was done is written after every step.

  run.mjs [--minutes 20] [--out gpu-results] [--only tests,bench] [--dry-run]

--only takes steps whose names begin so. --dry-run runs what needs no GPU, and the rest in small on the cpu or without its
device. CONSILIUM_PYTHON names the Python that has PyTorch.`;

const root = fileURLToPath(new URL("../../", import.meta.url));
/** Ends it, before anything is run. */
function refuse(text) {
  console.error(`run.mjs: ${text}\n\n${HELP}`);
  process.exit(2);
}

function options() {
  try {
    return parseArgs({
      options: {
        minutes: { type: "string", default: "20" },
        out: { type: "string", default: "gpu-results" },
        only: { type: "string" },
        "dry-run": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    return refuse(error.message);
  }
}

const values = options();
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const minutes = Number(values.minutes);
if (!(minutes > 0)) refuse(`--minutes ${values.minutes} is no number above 0`);
const out = resolve(values.out);
const dry = values["dry-run"];

const vulkan = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/nvidia/share/vulkan/icd.d"]
  .flatMap((folder) => (existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []))
  .find((path) => path.includes("nvidia"));
const toolkit = findNvcc();
/** A tool of the toolkit: on the PATH, or beside nvcc, which need not be there. */
const tool = (name) =>
  [name, ...(toolkit ? [join(dirname(toolkit.nvcc), name)] : [])].find((command) => ask(command, "--version") !== null);
const report = newReport();
const host = {
  gpu: report.gpus.before !== null,
  nvcc: toolkit !== null,
  sanitizer: tool("compute-sanitizer"),
  vulkan,
  kernels: areCompiled(),
  // What a dry run has in place of a GPU.
  simulated: Boolean(process.env.CONSILIUM_CUDA_DRIVER),
};

const started = Date.now();
const left = () => minutes * 60 - (Date.now() - started) / 1000;

/** All or nothing: a run that is cut off leaves the last whole file. */
function save() {
  report.gpus.after = gpus();
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
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // All of them have ended; what holds the pipes is of another group.
      }
      child.stdout.destroy();
      child.stderr.destroy();
    }, 1000 * seconds);
    child.on("error", (error) => log.write(`${error.message}\n`));
    child.on("close", (code) => {
      clearTimeout(timer);
      log.end(() => done(over ? null : (code ?? 1)));
    });
  });
}

/** Null of a file that its step did not finish. */
function parsed(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}

/** What the step's tests or rows came to, from the file that it wrote; null where there is none, or none were found. */
function harvest({ name, tests, bench, trace }) {
  if (!tests && !bench && !trace) return {};
  const file = join(out, `${name}.json`);
  if (!existsSync(file)) return null;
  const found = parsed(file);
  if (found === null) return null;
  if (trace) return { trace: found };
  if ((tests ? found.numTotalTests : found.rows.length) === 0) return null;
  if (bench) report.benches[name] = found;
  return tests ? { passed: found.numPassedTests, failed: found.numFailedTests, skipped: found.numPendingTests } : {};
}

/** In a dry run what can be run of a step without a GPU, which says in `reason` where nothing can. */
const asRun = (step) =>
  dry && step.gpu ? { ...step, missing: "it needs the GPU, in a dry run too", ...step.rehearsal } : step;

const steps = stepsOf({ out, host, node: process.execPath });
const asked = values.only?.split(",");
const unknown = asked?.find((name) => !steps.some((step) => step.name.startsWith(name)));
if (unknown !== undefined)
  refuse(`--only ${unknown}: no step begins so. Steps: ${steps.map((s) => s.name).join(", ")}`);
mkdirSync(out, { recursive: true });
let bad = 0;
for (const step of steps.filter(({ name }) => asked?.some((start) => name.startsWith(start)) ?? true).map(asRun)) {
  const seconds = Math.floor(Math.min(step.seconds, left()));
  const reason = step.missing ?? (seconds < 5 ? "no time is left" : null);
  const line = { name: step.name, command: [step.command, ...step.args].join(" ") };
  const before = Date.now();
  if (reason) report.steps.push({ ...line, status: "skipped", reason });
  else {
    const code = await run(step, seconds);
    const found = code === null ? {} : harvest(step);
    const status = code === null ? "out of time" : code === 0 && found !== null ? "passed" : "failed";
    if (status === "failed" || (dry && status !== "passed")) bad++;
    report.steps.push({ ...line, status, seconds: (Date.now() - before) / 1000, ...found });
  }
  const { status, passed, failed, skipped } = report.steps.at(-1);
  const counts = passed === undefined ? "" : `: ${passed} passed, ${failed} failed, ${skipped} skipped`;
  console.log(
    `${((Date.now() - started) / 1000).toFixed(0).padStart(5)} s  ${step.name.padEnd(24)} ${status}${counts}${reason ? ` (${reason})` : ""}`,
  );
  save();
}
console.log(`Written: ${join(out, "gpu.json")}, and a log for each step.`);
process.exit(bad === 0 ? 0 : 1);
