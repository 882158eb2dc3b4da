/**
 * One hash of what the native addon is compiled from. It and TypeScript hold halves of the same arithmetic (plan.ts and
 * gemm-plan.h, command-writer.ts and command_stream.h): an addon of other sources would read and write wrong memory. The build
 * puts the hash into the addon (`node bindings/native/sources.cjs HEADER`), loading compares. TypeScript is no part of it: the
 * same C++ gives the same addon.
 */
const { createHash } = require("node:crypto");
const { existsSync, readdirSync, readFileSync, writeFileSync } = require("node:fs");
const { join, resolve } = require("node:path");

const CODE = /\.(cc|cpp|h)$/;

/** Files below `folder`, as paths from `root`. */
function filesIn(root, folder, wanted) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return filesIn(root, path, wanted);
    return wanted(entry.name) ? [path] : [];
  });
}

/** Paths from `root`, in one order on all systems. */
function nativeSources(root) {
  const folders = ["bindings/native", "kernels"];
  return ["CMakeLists.txt", ...folders.flatMap((folder) => filesIn(root, folder, (name) => CODE.test(name)))].sort();
}

/** The CUDA kernels, which are compiled by themselves: scripts/cuda-kernels.mjs. */
const cudaSources = (root) => filesIn(root, "kernels", (name) => /\.cuh?$/.test(name)).sort();

const nativeSourcesHash = (root) => hashOf(root, nativeSources(root));
const cudaSourcesHash = (root) => hashOf(root, cudaSources(root));

function hashOf(root, paths) {
  const hash = createHash("sha256");
  for (const path of paths)
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update("\0");
  return hash.digest("hex");
}

module.exports = { cudaSources, cudaSourcesHash, nativeSources, nativeSourcesHash };

if (require.main === module) {
  const header = process.argv[2];
  const text = `#pragma once\n#define CONSILIUM_SOURCES "${nativeSourcesHash(resolve(__dirname, "../.."))}"\n`;
  // Untouched where nothing changed, so that nothing is compiled again.
  if (!existsSync(header) || readFileSync(header, "utf8") !== text) writeFileSync(header, text);
}
