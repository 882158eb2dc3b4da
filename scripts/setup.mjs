#!/usr/bin/env node
// Everything a fresh machine needs, each step skipped when up to date: npm packages, system packages, the native addon,
// the TypeScript build, the CUDA kernels (CONSILIUM_CUDA: see cuda-kernels.mjs). Only Node's own modules, since nothing else is there yet.
//
//   node scripts/setup.mjs [--yes] [--webgpu] [--browser] [--lint] [--only-typescript] [--quiet]
//
// --yes      install system packages, and add a package source where one is needed, without asking
// --lint     also clang-format
// --webgpu   also a Vulkan driver for WebGPU on machines without a GPU (lavapipe of Mesa 24 or later)
// --browser  also Chromium, for the tests of pages
// --only-typescript   dist/ alone: what a tarball or an installation from git takes (`prepare`)
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { quietly } from "./command.mjs";
import { missingBrowser, missingFormatter, missingPackages, missingVulkan } from "./system-packages.mjs";
import { wgslModule } from "./wgsl-module.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const flags = new Set(process.argv.slice(2));
const consent = flags.has("--yes") || process.env.CONSILIUM_SETUP === "yes";
const quiet = flags.has("--quiet");
const say = (text) => quiet || console.error(`setup: ${text}`);
const fail = (text) => {
  console.error(`setup: ${text}`);
  process.exit(1);
};

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) fail(`Node.js 20.19 or later is needed; this is ${process.version}.`);

/** Hash of the contents of files, so that a step runs again exactly when something it reads has changed. */
function hashOf(paths) {
  const hash = createHash("sha256");
  for (const path of paths.sort())
    hash
      .update(path)
      .update("\0")
      .update(readFileSync(join(root, path)))
      .update("\0");
  return hash.digest("hex");
}

function filesIn(folder, wanted) {
  if (!existsSync(join(root, folder))) return [];
  // Not into installed packages: the peers of the benchmarks are ten thousand files.
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((e) => {
    const path = join(folder, e.name);
    if (e.isDirectory()) return e.name === "node_modules" ? [] : filesIn(path, wanted);
    return e.isFile() && wanted.test(e.name) ? [path] : [];
  });
}

const stampPath = (name) => join(root, "node_modules", ".consilium", name);
const upToDate = (name, hash, product) =>
  existsSync(join(root, product)) && existsSync(stampPath(name)) && readFileSync(stampPath(name), "utf8") === hash;
function stamp(name, hash) {
  mkdirSync(join(root, "node_modules", ".consilium"), { recursive: true });
  writeFileSync(stampPath(name), hash);
}

/** Does a step; what its tools wrote is shown only when it fails. */
async function run(work, what) {
  const started = Date.now();
  try {
    await work;
  } catch (error) {
    process.stderr.write(error.output ?? "");
    fail(`${what} failed: ${error.message}${error.output ? ". The output is above." : ""}`);
  }
  say(`${what}: done in ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

const command = (name, ...args) => quietly(name, args, root);

async function mayInstall(question) {
  if (consent) return true;
  if (!process.stdin.isTTY) return false;
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question(`setup: ${question} [y/N] `);
  prompt.close();
  return /^y(es)?$/i.test(answer.trim());
}

async function npmPackages() {
  const hash = hashOf(["package-lock.json"]);
  if (upToDate("npm", hash, "node_modules/typescript/package.json")) return;
  say("installing npm packages");
  await run(command("npm", "ci", "--ignore-scripts", "--include=dev", "--no-audit", "--no-fund"), "npm packages");
  stamp("npm", hash);
}

async function systemPackages() {
  const missing = [...missingPackages(), ...(flags.has("--lint") ? missingFormatter() : [])];
  if (missing.length) {
    const byHand = `apt-get install ${missing.join(" ")}`;
    if (!existsSync("/usr/bin/apt-get"))
      fail(
        `these are missing: ${missing.join(", ")} (Debian's names). Install them with your system's package manager.`,
      );
    if (process.getuid?.() !== 0) fail(`system packages are missing. As root: ${byHand}`);
    // Root without a terminal is a container or CI: what its own sources offer may be installed.
    if (process.stdin.isTTY && !(await mayInstall(`install ${missing.join(", ")}?`)))
      fail(`system packages are missing. Run again with --yes, or: ${byHand}`);
    await install(missing, [], "system packages");
  }
  if (flags.has("--webgpu")) await vulkanDriver();
  if (flags.has("--browser")) await browser();
}

/** Optional, like the Vulkan driver: without it the tests of pages skip, unless CONSILIUM_REQUIRE names browser. */
async function browser() {
  const packages = missingBrowser();
  if (packages.length === 0) return;
  const able = existsSync("/usr/bin/apt-get") && process.getuid?.() === 0;
  if (able && (consent || !process.stdin.isTTY || (await mayInstall(`install ${packages.join(", ")}?`))))
    await install(packages, [], "browser");
  else say("there is no Chromium, and its tests are left out. As root: node scripts/setup.mjs --browser --yes");
}

/** Optional: without it the WebGPU tests skip with their reason, unless CONSILIUM_REQUIRE names webgpu. */
async function vulkanDriver() {
  const wanted = missingVulkan();
  if (!wanted) return;
  const { packages, release, source } = wanted;
  const how = `${packages.join(", ")}${source ? ` from ${source}` : ""}`;
  const able = existsSync("/usr/bin/apt-get") && process.getuid?.() === 0;
  // A new package source is added only with consent; what is configured may be used by root without a terminal.
  const allowed = able && (consent || (!source && !process.stdin.isTTY) || (await mayInstall(`install ${how}?`)));
  if (!allowed) {
    say(
      `WebGPU has no Vulkan driver here and is left out. As root: node scripts/setup.mjs --webgpu --yes installs ${how}`,
    );
    return;
  }
  if (source) writeFileSync("/etc/apt/sources.list.d/consilium-backports.list", `${source}\n`);
  await install(packages, release ? ["-t", release] : [], "Vulkan driver");
}

async function install(packages, options, what) {
  say(`installing ${packages.join(", ")}`);
  await run(command("apt-get", "update", "-q"), "package lists");
  await run(command("apt-get", "install", "-y", "-q", "--no-install-recommends", ...options, ...packages), what);
}

async function addon() {
  // Loaded now: it reads npm packages, which were not there before.
  const { buildAddon, isBuilt } = await import("./native-addon.mjs");
  if (isBuilt()) return;
  say("compiling the native addon");
  await run(buildAddon(), "native addon");
}

/** Not part of the addon: a machine may have the one without the other. */
async function cudaKernels() {
  const { buildCudaKernels } = await import("./cuda-kernels.mjs");
  await buildCudaKernels(say).catch((error) => {
    process.stderr.write(error.output ?? "");
    fail(error.message);
  });
}

async function typescript() {
  const folders = ["kernels", "engine", "bindings", "models", "apps", "bench", "examples"];
  const hash = hashOf([
    "tsconfig.build.json",
    "tsconfig.json",
    "scripts/wgsl-module.mjs",
    "scripts/bench-site.mjs",
    ...folders.flatMap((f) => filesIn(f, /\.(ts|wgsl|html|css)$/)),
  ]);
  if (upToDate("typescript", hash, "dist/engine/index.js")) return;
  say("compiling TypeScript");
  // What the build of a file left behind that is gone now would travel in the tarball.
  rmSync(join(root, "dist"), { recursive: true, force: true });
  await run(command(process.execPath, "node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"), "TypeScript");
  for (const path of filesIn("kernels", /\.wgsl$/)) {
    const target = join(root, "dist", `${path}.js`);
    mkdirSync(join(target, ".."), { recursive: true });
    writeFileSync(target, wgslModule(join(root, path)));
  }
  const { buildBenchSite } = await import("./bench-site.mjs");
  await run(buildBenchSite(), "benchmark page");
  stamp("typescript", hash);
}

const started = Date.now();
if (flags.has("--only-typescript")) {
  // npm may be at work here: its packages are its own business where they are there.
  if (!existsSync(join(root, "node_modules/typescript/package.json"))) await npmPackages();
  await typescript();
} else {
  await npmPackages();
  await systemPackages();
  await Promise.all([typescript(), addon()]);
  await cudaKernels();
}
if (Date.now() - started > 2000) say(`ready after ${((Date.now() - started) / 1000).toFixed(0)} s`);
