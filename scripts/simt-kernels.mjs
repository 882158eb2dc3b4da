// Compiles CUDA kernels for the host, and the simulated driver that runs them (test/simt/README.md):
//
//   node scripts/simt-kernels.mjs                 every kernels/*/*.cu
//   node scripts/simt-kernels.mjs softmax matmul  those folders of kernels/, or any folder by its path
//
// build/simt/libcuda-simt.so is the driver, build/simt/launch launches one kernel, build/simt/<folder>/<stem>.so are kernels.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { run } from "./simt-compiler.mjs";

export const root = fileURLToPath(new URL("..", import.meta.url));
export const out = join(root, "build", "simt");
const sources = join(root, "test", "simt");
const SEPARATELY = ["launch.cc"];

const COMPILER = process.env.CXX ?? "g++";
// addr2line of binutils 2.40 misreads the files of DWARF 5. Paths in reports begin at the root of the repository.
const COMMON = [
  "-std=c++17",
  "-g1",
  "-gdwarf-4",
  "-fPIC",
  "-fno-omit-frame-pointer",
  `-ffile-prefix-map=${root.slice(0, -1)}=.`,
];
// What the processor has for fmaf and for f16, which are calls otherwise.
const cpu = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
const has = (name) => new RegExp(`^flags.*\\b${name}\\b`, "m").test(cpu);
const PROCESSOR = ["fma", "f16c"].filter(has).map((name) => `-m${name}`);
const DRIVER = [...COMMON, "-O3", "-ffp-contract=off", ...PROCESSOR, "-fvisibility=hidden", "-Wall", "-Wextra"];
const KERNEL = [
  ...COMMON,
  ...["-O1", "-fsanitize=thread", "--param=tsan-instrument-func-entry-exit=0", "-fno-optimize-sibling-calls"],
  // Shared memory changes at barriers, whatever this file alone shows.
  ...[
    "-fno-ipa-reference",
    "-fno-ipa-reference-addressable",
    "-fno-exceptions",
    "-fno-rtti",
    "-fvisibility=hidden",
    "-fno-gnu-unique",
    "-ffp-contract=off",
  ],
  ...PROCESSOR,
  ...["-DCONSILIUM_SIMT", "-w", "-include", join(sources, "cuda-host.h")],
];
/** Bytes after each variable in shared memory that belong to none. */
const GAP = 64;
const LINK = ["-shared", "-Wl,--wrap=memcpy,--wrap=memset,--wrap=memmove", "-Wl,-rpath,$ORIGIN/.."];

const digest = (...parts) => createHash("sha256").update(JSON.stringify(parts)).digest("hex");

/** A file, and all that it includes by quotes. */
function withIncludes(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, name] of readFileSync(file, "utf8").matchAll(/^\s*#include "([^"]+)"/gm)) {
    const included = resolve(dirname(file), name);
    if (existsSync(included)) withIncludes(included, found);
  }
  return found;
}

/** Runs `make` where `target` is not of these files, flags and compiler. */
async function keep(target, files, flags, make) {
  const state = digest(
    await version(),
    flags,
    [...files].map((file) => readFileSync(file, "utf8")),
  );
  const note = `${target}.sha256`;
  if (existsSync(target) && existsSync(note) && readFileSync(note, "utf8") === state) return false;
  mkdirSync(dirname(target), { recursive: true });
  rmSync(target, { force: true }); // nothing old is left where it fails
  await make();
  writeFileSync(note, state);
  return true;
}

let known;
const version = () => {
  known ??= run(COMPILER, ["--version"]);
  return known;
};

/** Several at a time, as many as there are cores, two at most. All are done before one that failed is told. */
async function together(jobs) {
  const queue = [...jobs];
  const errors = [];
  const work = async () => {
    for (let job = queue.shift(); job; job = queue.shift()) await job().catch((error) => errors.push(error.message));
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));
  if (errors.length > 0) throw new Error(errors.join("\n"));
}

/** The simulated driver and the launcher. */
export async function buildDriver() {
  const library = join(out, "libcuda-simt.so");
  const files = readdirSync(sources).filter((name) => /\.(cc|h)$/.test(name));
  const parts = files.filter((name) => name.endsWith(".cc") && !SEPARATELY.includes(name));
  const object = (name) => join(out, "objects", `${basename(name, ".cc")}.o`);
  mkdirSync(join(out, "objects"), { recursive: true });
  await together(
    parts.map((name) => async () => {
      const file = join(sources, name);
      await keep(object(name), withIncludes(file), DRIVER, () =>
        run(COMPILER, [...DRIVER, "-c", file, "-o", object(name)]),
      );
    }),
  );
  await keep(library, parts.map(object), [], () =>
    run(COMPILER, ["-shared", "-Wl,-soname,libcuda-simt.so", ...parts.map(object), "-ldl", "-o", library]),
  );
  const launcher = join(sources, "launch.cc");
  if (existsSync(launcher))
    await keep(join(out, "launch"), withIncludes(launcher), DRIVER, () =>
      run(COMPILER, [...DRIVER, launcher, "-ldl", "-o", join(out, "launch")]),
    );
  return library;
}

const STANDARD = /^\s*#include (<[^>]+>)/gm;
const KERNELS = /extern "C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\(([^)]*)\)\s*)?(\w+)\s*\(/g;

/** Variables in shared memory with room between them, and a list of them, as simt::Variable. */
function partVariables(assembly) {
  const variables = [];
  const parted = assembly.replace(/^\t\.comm\t([^,]+),(\d+),(\d+)$/gm, (_, name, bytes, alignment) => {
    variables.push(`\t.8byte\t${name}\n\t.8byte\t${bytes}\n`);
    return `\t.comm\t${name},${Number(bytes) + GAP},${alignment}`;
  });
  return `${parted}\t.section\tsimt_variables,"aw"\n\t.balign 8\n${variables.join("")}`;
}

async function compile(file, target) {
  const files = [...withIncludes(file)];
  const standard = new Set(
    files.flatMap((name) => [...readFileSync(name, "utf8").matchAll(STANDARD)].map(([, header]) => header)),
  );
  const expanded = await run(COMPILER, ["-E", "-P", "-x", "c++", "-DCONSILIUM_SIMT", file]);
  const kernels = [...expanded.matchAll(KERNELS)].map(([, bounds = "", name]) => `SIMT_KERNEL(${name}, ${bounds})`);
  // Nothing of a file is seen outside it: variables in shared memory would be joined with those of others, or not placed.
  const unit = [
    ...[...standard].map((header) => `#include ${header}`),
    `namespace {\n#include "${file}"\n}`,
    "SIMT_MODULE",
    ...kernels,
    "",
  ].join("\n");
  const [source, assembly] = [target.replace(/so$/, "cc"), target.replace(/so$/, "s")];
  writeFileSync(source, unit);
  await run(COMPILER, [...KERNEL, "-S", source, "-o", assembly]);
  writeFileSync(assembly, partVariables(readFileSync(assembly, "utf8")));
  await run(COMPILER, [assembly, ...LINK, `-L${out}`, "-lcuda-simt", "-o", target]);
}

/** The kernels of folders: names in kernels/, or paths. Returns what was compiled. */
export async function buildKernels(folders) {
  const prelude = ["cuda-host.h", "cuda-numbers.h", "simt.h"].map((name) => join(sources, name));
  const compiled = [];
  await together(
    folders.flatMap((folder) => {
      const path = existsSync(join(root, "kernels", folder)) ? join(root, "kernels", folder) : resolve(folder);
      return readdirSync(path)
        .filter((name) => name.endsWith(".cu"))
        .map((name) => async () => {
          const file = join(path, name);
          const target = join(out, basename(path), `${basename(name, ".cu")}.so`);
          const start = performance.now();
          const flags = [KERNEL, LINK, compile.toString(), partVariables.toString(), GAP];
          if (await keep(target, new Set([...withIncludes(file), ...prelude]), flags, () => compile(file, target)))
            compiled.push({ file: relative(root, file), seconds: (performance.now() - start) / 1000 });
        });
    }),
  );
  return compiled;
}

/** Folders of kernels/ that hold CUDA kernels. */
export const kernelFolders = () =>
  readdirSync(join(root, "kernels")).filter(
    (name) =>
      statSync(join(root, "kernels", name)).isDirectory() &&
      readdirSync(join(root, "kernels", name)).some((file) => file.endsWith(".cu")),
  );

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await buildDriver();
    const folders = process.argv.slice(2);
    for (const { file, seconds } of await buildKernels(folders.length > 0 ? folders : kernelFolders()))
      console.log(`${file}: ${seconds.toFixed(1)} s`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
