#!/usr/bin/env node
// What can be proved of the CUDA kernels without a GPU: each compiles for every architecture that is supported, spills no
// register, keeps no array in local memory, and holds the instructions that it is built on. Prints registers, shared memory,
// stack and spills of every kernel. What has not changed is not compiled again.
//
//   node scripts/check-cuda.mjs [<op>/<pass> | <op>]...     all of them without a name; needs nvcc of CUDA 12.8 or later, and dist/ (npm run setup)
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { findNvcc, hashOf, labels, REMEDY } from "./cuda-kernels.mjs";
import { root } from "./native-addon.mjs";

const cache = join(root, "build", "check-cuda");
/** Machine code of the oldest and of Hopper's own instructions; PTX of what came after. */
const CODES = ["sm_80", "sm_90a", "compute_100", "compute_120"];
const FLAGS = [
  ...["-std=c++17", "-O3", "-Xptxas", "-v", "-Werror", "all-warnings", "--keep", "-fatbin"],
  ...CODES.flatMap((code) => ["-gencode", `arch=${code.replace("sm_", "compute_")},code=${code}`]),
];

/** Kernels that may spill, and why. */
const NARROW =
  "one of 128 registers, as 512 threads a block leave, is stored once and loaded once on sm_80; bound by reading a";
const SPILLING = { matmul_forward_narrow_bf16: NARROW, matmul_forward_narrow_f16: NARROW };

const PRODUCT = /^(matmul|grouped_gemm|lora_matmul|quantized_matmul)_(forward|backward_\w+?)_(small|medium|large)_/;
const ATTENTION = /^attention_(forward|backward_(key|query))_tiled_\d+_/;
const mma = (type) => `mma.sync.aligned.m16n8k16.row.col.f32.${type}.${type}.f32`;
/** What the PTX of the kernels whose speed matters must hold. */
const INSTRUCTIONS = [
  { symbols: PRODUCT, type: "bf16", wanted: [mma("bf16"), "ldmatrix.sync.aligned", "cp.async.cg.shared.global"] },
  { symbols: PRODUCT, type: "f16", wanted: [mma("f16"), "ldmatrix.sync.aligned", "cp.async.cg.shared.global"] },
  { symbols: ATTENTION, type: "bf16", wanted: [mma("bf16"), "ldmatrix.sync.aligned", "cp.async.cg.shared.global"] },
  { symbols: ATTENTION, type: "f16", wanted: [mma("f16"), "ldmatrix.sync.aligned", "cp.async.cg.shared.global"] },
];

/** By architecture: what ptxas says of each kernel of a file. */
function resourcesOf(log) {
  const found = [];
  const entries = log.split(/Compiling entry function /).slice(1);
  for (const text of entries) {
    const [, symbol, code] = /^'(\w+)' for '(\w+)'/.exec(text);
    const number = (pattern) => Number(pattern.exec(text)?.[1] ?? 0);
    found.push({
      symbol,
      code,
      registers: number(/Used (\d+) registers/),
      shared: number(/(\d+) bytes smem/),
      stack: number(/(\d+) bytes stack frame/),
      spilled: number(/(\d+) bytes spill stores/),
    });
  }
  return found;
}

/** Of the instructions that anybody asks for, those in each kernel's PTX. */
function instructionsOf(folder) {
  const asked = [...new Set(INSTRUCTIONS.flatMap(({ wanted }) => wanted))];
  const found = {};
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".ptx"))) {
    for (const body of readFileSync(join(folder, file), "utf8")
      .split(/\.entry /)
      .slice(1)) {
      const symbol = /^\w+/.exec(body)[0];
      const held = asked.filter((instruction) => body.includes(instruction));
      // In the PTX of every architecture, or it does not count.
      found[symbol] = found[symbol]?.filter((instruction) => held.includes(instruction)) ?? held;
    }
  }
  return found;
}

async function examine(label, { nvcc, version }) {
  const source = join(root, "kernels", `${label}.cu`);
  const file = join(cache, `${label}.json`);
  const hash = hashOf(source, `${version}\0${FLAGS.join(" ")}\0${JSON.stringify(INSTRUCTIONS.map((i) => i.wanted))}`);
  if (existsSync(file)) {
    const known = JSON.parse(readFileSync(file, "utf8"));
    if (known.hash === hash) return known;
  }
  const folder = mkdtempSync(join(tmpdir(), "consilium-cuda-"));
  try {
    const args = [...FLAGS, "--keep-dir", folder, "-o", join(folder, "out.fatbin"), source];
    const { stdout, stderr } = await promisify(execFile)(nvcc, args, { cwd: folder, maxBuffer: 1 << 26 });
    const result = { hash, label, resources: resourcesOf(stdout + stderr), instructions: instructionsOf(folder) };
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(result));
    return result;
  } catch (error) {
    return { label, error: `${error.stdout ?? ""}${error.stderr ?? error.message}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Symbols that the launches of each pass name, by its label; twins for integers name the same. From the compiled kernels.ts files. */
async function declared() {
  const symbols = new Map();
  const folders = new URL("../dist/kernels/", import.meta.url);
  for (const folder of readdirSync(folders)) {
    const file = new URL(`${folder}/kernels.js`, folders);
    if (!existsSync(file)) continue;
    for (const pass of Object.values(await import(file))) {
      if (!pass?.bufferNames || !pass.cuda) continue;
      const known = symbols.get(pass.label) ?? new Set();
      for (const { symbol, dtypes = pass.cuda.dtypes } of pass.cuda.launches)
        for (const dtype of dtypes) known.add(`${symbol}_${dtype}`);
      symbols.set(pass.label, known);
    }
  }
  return symbols;
}

/** What is wrong with a file, in a line each. */
function faultsOf({ label, error, resources, instructions }, symbols = new Set()) {
  if (error) return [`kernels/${label}.cu does not compile:\n${error}`];
  const faults = [];
  const compiled = new Set(resources.map(({ symbol }) => symbol));
  for (const symbol of symbols) if (!compiled.has(symbol)) faults.push(`kernels/${label}.cu has no ${symbol}`);
  for (const symbol of compiled)
    if (!symbols.has(symbol)) faults.push(`kernels/${label}.cu: no launch names ${symbol}`);
  for (const { symbol, code, stack, spilled } of resources)
    if (stack + spilled > 0 && !(symbol in SPILLING))
      faults.push(`${symbol} (${code}): ${stack} bytes of stack, ${spilled} bytes of spilled registers`);
  for (const symbol of compiled)
    for (const { symbols, type, wanted } of INSTRUCTIONS)
      if (symbols.test(symbol) && symbol.endsWith(`_${type}`))
        for (const instruction of wanted)
          if (!instructions[symbol]?.includes(instruction)) faults.push(`${symbol}: its PTX has no ${instruction}`);
  return faults;
}

function refuse(text) {
  console.error(`check:cuda: ${text}`);
  process.exit(1);
}

/** The first whose nvcc knows sm_120. */
const OLDEST = 12.8;
const names = process.argv.slice(2);
const of = (name) => labels().filter((label) => label === name || label.startsWith(`${name}/`));
const unknown = names.find((name) => of(name).length === 0);
if (unknown !== undefined) refuse(`no CUDA kernel is called ${unknown}`);
const chosen = names.length === 0 ? labels() : [...new Set(names.flatMap(of))];
if (!existsSync(join(root, "dist", "kernels"))) refuse("dist/ is missing: npm run setup");
const toolkit = findNvcc();
if (!toolkit) refuse(REMEDY);
const [, release] = /release (\d+\.\d+)/.exec(toolkit.version);
if (Number(release) < OLDEST)
  refuse(`nvcc of CUDA ${OLDEST} or later is needed, for ${CODES.at(-1)}; it is of ${release}`);
const waiting = [...chosen];
const results = [];
const worker = async () => {
  for (let label = waiting.shift(); label !== undefined; label = waiting.shift())
    results.push(await examine(label, toolkit));
};
await Promise.all(Array.from({ length: availableParallelism() }, worker));
results.sort((a, b) => (a.label < b.label ? -1 : 1));

const row = (...cells) =>
  console.log(cells.map((cell, i) => (i ? String(cell).padStart(9) : cell.padEnd(52))).join(" "));
row("kernel", "code", "registers", "shared", "stack", "spilled");
for (const { resources = [] } of results)
  for (const { symbol, code, registers, shared, stack, spilled } of resources)
    row(symbol, code, registers, shared, stack, spilled);
const named = await declared();
const faults = results.flatMap((result) => faultsOf(result, named.get(result.label)));
if (names.length === 0)
  for (const label of named.keys()) if (!chosen.includes(label)) faults.push(`kernels/${label}.cu is missing`);
const hot = results
  .flatMap(({ instructions = {} }) => Object.keys(instructions))
  .filter((symbol) => INSTRUCTIONS.some((i) => i.symbols.test(symbol) && symbol.endsWith(`_${i.type}`)));
for (const fault of faults) console.error(fault);
const kernels = new Set(results.flatMap(({ resources = [] }) => resources.map(({ symbol }) => symbol)));
console.log(
  `${results.length} files, ${kernels.size} kernels for ${CODES.join(", ")}; instructions looked for in ${hot.length}: ${faults.length === 0 ? "all well" : `${faults.length} faults`}`,
);
process.exit(faults.length === 0 ? 0 : 1);
