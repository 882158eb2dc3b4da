#!/usr/bin/env node
// Packs what a GPU host without a network needs into one archive: sources, tests, benches, compiled TypeScript, the addon, the
// tracing driver, the CUDA kernels where they are built, the npm packages that tests and benches load, Dawn for this platform,
// Node itself.
//
//   node scripts/gpu/bundle.mjs [--out consilium-gpu.tar.xz]
//   node scripts/gpu/bundle.mjs --rehearse
//
// --rehearse packs in a hurry, unpacks that into a folder of its own and runs it there, as far as that goes without a GPU, or,
// where CONSILIUM_CUDA_DRIVER and CONSILIUM_CUDA_KERNELS name a simulated one, on that. README.md beside this file says how a
// host uses it.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { areCompiled } from "../cuda-kernels.mjs";
import { packagesOf } from "./closure.mjs";
import { carryLibraries } from "./libraries.mjs";
import { problemsOf } from "./report.mjs";
import { buildTraceDriver, TRACE_FOLDER } from "./trace-driver.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** The folder that the archive unpacks into. */
const NAME = "consilium-gpu";
/** What an upload form or a mail gateway commonly takes at most, with room. */
const LIMIT = 60e6;
/** Tracked files that nothing on the host reads. */
const LEFT_OUT = /^(data\/(vqa-rad|miss-tiny-organ)|docs|\.ci)\//;
/** Of packages: what is for people and compilers, and Vite's compiler of style sheets, 10 MB. */
const NOT_RUN = /\.(d\.[cm]?ts|map|md)$|\/node_modules\/(@types|lightningcss(-[^/]+)?)$/;
/** The machine code of x86 packs better with its jumps made absolute. */
const SMALLEST = `xz ${process.arch === "x64" ? "--x86 " : ""}--lzma2=preset=9e`;

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "consilium-gpu.tar.xz" },
    rehearse: { type: "boolean", default: false },
  },
});
const out = resolve(values.out);
const say = (text) => console.error(`bundle: ${text}`);

/** Debug symbols are a tenth of Node. */
function copyNode(target) {
  cpSync(process.execPath, target, { dereference: true });
  try {
    execFileSync("strip", [target]);
  } catch {
    say("there is no `strip`; Node travels with its symbols");
  }
  chmodSync(target, 0o755);
}

function copyPackages(target) {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const wanted = [...Object.keys(manifest.dependencies), "vitest", "vite", "benchmark", "fast-check"];
  const platform = `${process.platform}-${process.arch}`;
  for (const path of packagesOf(root, wanted)) {
    // Dawn of every platform is 134 MB.
    const foreign = (source) => basename(dirname(source)) === "dist" && /\/webgpu\/dist\/[^/]+$/.test(source);
    const filter = (source) =>
      !NOT_RUN.test(source) && (!foreign(source) || !statSync(source).isDirectory() || basename(source) === platform);
    cpSync(join(root, path), join(target, path), { recursive: true, filter });
  }
}

function copyTracked(target) {
  const listed = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0").filter(Boolean);
  for (const path of listed) {
    if (LEFT_OUT.test(path) || !existsSync(join(root, path))) continue;
    mkdirSync(dirname(join(target, path)), { recursive: true });
    cpSync(join(root, path), join(target, path));
  }
}

/** Fills `folder` with what a host gets. Throws where it is not built here. */
async function fill(folder) {
  for (const path of ["dist/apps/cli/main.js", "build/Release/consilium.node"])
    if (!existsSync(join(root, path))) throw new Error(`${path} is not built. Run: npm run setup`);
  mkdirSync(folder);
  copyTracked(folder);
  copyPackages(folder);
  copyNode(join(folder, "node"));
  cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
  const compiled = areCompiled();
  if (!compiled) say("the CUDA kernels of these sources are not compiled here: the host compiles them (nvcc)");
  await buildTraceDriver();
  const built = ["build/Release/consilium.node", "build/built-from", TRACE_FOLDER, ...(compiled ? ["build/cuda"] : [])];
  for (const path of built) cpSync(join(root, path), join(folder, path), { recursive: true });
  say(`libraries: ${carryLibraries(folder, [process.execPath]).join(", ")}`);
  cpSync(join(root, "scripts/gpu/run.sh"), join(folder, "run.sh"));
}

/** `compressor`: a command that reads the archive. */
function pack(stage, file, compressor) {
  execFileSync("tar", ["-c", "-I", compressor, "-f", file, NAME], { cwd: stage });
}

/** As a host uses it: no variable of this shell but those of a simulated driver, and nothing of this folder, is needed there. */
function rehearse(file) {
  const host = mkdtempSync(join(tmpdir(), "consilium-host-"));
  const { PATH, CONSILIUM_CUDA_DRIVER, CONSILIUM_CUDA_KERNELS } = process.env;
  try {
    execFileSync("tar", ["xf", file, "-C", host]);
    const { status } = spawnSync(join(host, NAME, "run.sh"), ["--dry-run", "--minutes", "10"], {
      cwd: host,
      env: { PATH, HOME: host, ...(CONSILIUM_CUDA_DRIVER && { CONSILIUM_CUDA_DRIVER, CONSILIUM_CUDA_KERNELS }) },
      stdio: "inherit",
    });
    const report = JSON.parse(readFileSync(join(host, NAME, "gpu-results/gpu.json"), "utf8"));
    const wrong = problemsOf(report);
    for (const problem of wrong) say(`gpu.json: ${problem}`);
    if (status !== 0 || wrong.length > 0) {
      say("the rehearsal failed");
      process.exitCode = 1;
    }
  } finally {
    rmSync(host, { recursive: true, force: true });
  }
}

const stage = mkdtempSync(join(tmpdir(), "consilium-gpu-"));
try {
  await fill(join(stage, NAME));
  if (values.rehearse) {
    const file = join(stage, `${NAME}.tar.gz`);
    pack(stage, file, "gzip -1");
    rehearse(file);
  } else {
    rmSync(out, { force: true });
    pack(stage, out, SMALLEST);
    const bytes = statSync(out).size;
    say(`${out}: ${(bytes / 1e6).toFixed(1)} MB`);
    if (bytes > LIMIT) {
      say(`that is more than ${LIMIT / 1e6} MB`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(stage, { recursive: true, force: true });
}
