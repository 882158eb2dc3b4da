#!/usr/bin/env node
// Compiles the CUDA kernels, device "cuda": each kernels/<op>/<pass>.cu to build/cuda/<op>/<pass>.fatbin, by nvcc, and only
// where it or a header that it includes has changed. Run by setup.mjs and `consilium setup`, or by itself:
//
//   node scripts/cuda-kernels.mjs [<op>/<pass> | <op>]...   all of them without a name
//
// CONSILIUM_CUDA=auto compiles where an NVIDIA driver is (the default), on also elsewhere, off nowhere.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { cudaSourcesHash } from "../bindings/native/sources.cjs";
import { quietly } from "./command.mjs";
import { root } from "./native-addon.mjs";

const out = join(root, "build", "cuda");
const note = join(out, "compiled.json");

/** Machine code for what is common, and PTX that the driver compiles for what comes later. */
const ARCHITECTURES = ["sm_80", "sm_90", "compute_90"];
const OLDEST_NVCC = 12;
const codes = ARCHITECTURES.flatMap((code) => ["-gencode", `arch=${code.replace("sm_", "compute_")},code=${code}`]);
const FLAGS = ["-std=c++17", "-O3", ...codes, "-fatbin"];

/** Whether the driver's library is there; it is not initialised. */
function hasDriver() {
  try {
    process.dlopen({ exports: {} }, "libcuda.so.1");
    return true;
  } catch (error) {
    return !/cannot open|not found|no such|image not found/i.test(error.message);
  }
}

/** Whether CONSILIUM_CUDA wants the kernels here. */
function wanted(setting) {
  if (!["auto", "on", "off"].includes(setting))
    throw new Error(`CONSILIUM_CUDA=${setting} is not one of auto, on, off`);
  return setting === "on" || (setting === "auto" && hasDriver());
}

/** nvcc and what it says of its version; null where there is none, or an old one. */
export function findNvcc() {
  const { CUDACXX, CUDA_HOME, CUDA_PATH } = process.env;
  const homes = [CUDA_HOME, CUDA_PATH, "/usr/local/cuda"].filter(Boolean);
  for (const nvcc of CUDACXX ? [CUDACXX] : ["nvcc", ...homes.map((home) => join(home, "bin", "nvcc"))]) {
    const { stdout, status } = spawnSync(nvcc, ["--version"], { encoding: "utf8" });
    const release = /release (\d+)\.\d+/.exec(stdout ?? "");
    if (status === 0 && Number(release?.[1]) >= OLDEST_NVCC) return { nvcc, version: stdout };
  }
  return null;
}

/** What to do where there is none. */
export const REMEDY = `nvcc of CUDA ${OLDEST_NVCC} or later is missing: install the CUDA toolkit, or set CUDACXX to the compiler`;

/** Labels of the passes with a CUDA kernel. */
export function labels() {
  const kernels = join(root, "kernels");
  return readdirSync(kernels, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) =>
      readdirSync(join(kernels, name))
        .filter((file) => file.endsWith(".cu"))
        .map((file) => `${name}/${file.slice(0, -".cu".length)}`),
    )
    .sort();
}

/** The file and all that it includes from this package. */
function withHeaders(file, found = new Set()) {
  if (found.has(file) || !existsSync(file)) return found;
  found.add(file);
  for (const [, header] of readFileSync(file, "utf8").matchAll(/^\s*#\s*include\s*"([^"]+)"/gm))
    withHeaders(resolve(dirname(file), header), found);
  return found;
}

export function hashOf(file, version) {
  const hash = createHash("sha256").update(`${version}\0${FLAGS.join(" ")}\0`);
  for (const path of [...withHeaders(file)].sort()) hash.update(`${relative(root, path)}\0`).update(readFileSync(path));
  return hash.digest("hex");
}

const paths = (label) => ({
  source: join(root, "kernels", `${label}.cu`),
  fatbin: join(out, `${label}.fatbin`),
  stamp: join(out, `${label}.hash`),
});

/** Those of `all` that are not compiled from what is there now. */
function stale(all, version) {
  return all.filter((label) => {
    const { source, fatbin, stamp } = paths(label);
    return !existsSync(fatbin) || !existsSync(stamp) || readFileSync(stamp, "utf8") !== hashOf(source, version);
  });
}

async function compile(label, { nvcc, version }) {
  const { source, fatbin, stamp } = paths(label);
  const hash = hashOf(source, version);
  mkdirSync(dirname(fatbin), { recursive: true });
  rmSync(stamp, { force: true });
  await quietly(nvcc, [...FLAGS, "-o", fatbin, source], root);
  writeFileSync(stamp, hash);
}

/**
 * Compiles a file that takes the place of the pass of that label, whose headers it includes by the same paths. Rejects with
 * the compiler's words in `output`, and where there is no nvcc.
 */
export async function compileInPlaceOf(label, source, fatbin) {
  const toolkit = findNvcc();
  if (!toolkit) throw new Error(REMEDY);
  await quietly(toolkit.nvcc, [...FLAGS, "-I", dirname(paths(label).source), "-o", fatbin, source], root);
}

/** Whether all are compiled, by whatever nvcc, from the sources that are here. */
export const areCompiled = () =>
  existsSync(note) && JSON.parse(readFileSync(note, "utf8")).sources === cudaSourcesHash(root);

/** Files of kernels that are gone. */
function sweep() {
  const known = new Set(labels());
  for (const path of readdirSync(out, { recursive: true, encoding: "utf8" }))
    if (/\.(fatbin|hash)$/.test(path) && !known.has(path.replace(/\.\w+$/, ""))) rmSync(join(out, path));
}

/** Compiles what has changed of the passes of that label or folder, or of all. Resolves with how many. */
async function compileKernels(toolkit, names = [], onStart = () => {}) {
  const chosen = names.length
    ? labels().filter((label) => names.some((name) => label === name || label.startsWith(`${name}/`)))
    : labels();
  if (names.length && chosen.length === 0) throw new Error(`no CUDA kernel is called ${names.join(" or ")}`);
  mkdirSync(out, { recursive: true });
  const waiting = stale(chosen, toolkit.version);
  const count = waiting.length;
  if (count > 0) {
    onStart(count);
    rmSync(note, { force: true });
  }
  const failed = [];
  const worker = async () => {
    for (let label = waiting.shift(); label !== undefined; label = waiting.shift())
      await compile(label, toolkit).catch((error) => failed.push({ label, error }));
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  if (failed.length) {
    const [{ error }] = failed;
    const what = failed.map(({ label }) => `kernels/${label}.cu`).join(", ");
    throw Object.assign(new Error(`${what}: ${error.message}`), { output: failed.map((f) => f.error.output).join("") });
  }
  sweep();
  if (stale(labels(), toolkit.version).length === 0)
    writeFileSync(note, JSON.stringify({ architectures: ARCHITECTURES, sources: cudaSourcesHash(root) }));
  return count;
}

/**
 * Compiles what has changed, where CONSILIUM_CUDA wants it. Without nvcc it rejects where that is `on`, and says so where it is
 * `auto`. Rejects with the compiler's words in `output`.
 */
export async function buildCudaKernels(say) {
  const setting = process.env.CONSILIUM_CUDA || "auto";
  if (!wanted(setting)) return;
  const toolkit = findNvcc();
  if (!toolkit && setting === "on") throw new Error(`CONSILIUM_CUDA=on: ${REMEDY}`);
  if (!toolkit) return say(`there is an NVIDIA driver, but device cuda is left out: ${REMEDY}`);
  const started = Date.now();
  const count = await compileKernels(toolkit, [], (n) => say(`compiling ${n} CUDA kernels`));
  if (count > 0) say(`CUDA kernels: done in ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const toolkit = findNvcc();
  const say = (text) => console.error(`cuda: ${text}`);
  try {
    if (!toolkit) throw new Error(REMEDY);
    const count = await compileKernels(toolkit, process.argv.slice(2), (n) => say(`compiling ${n} of the kernels`));
    say(count ? `compiled ${count}` : "all is compiled");
  } catch (error) {
    process.stderr.write(error.output ?? "");
    say(error.message);
    process.exitCode = 1;
  }
}
