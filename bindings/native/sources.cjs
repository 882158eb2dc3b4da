/**
 * One hash of what the native addon and the TypeScript beside it are made from. The two hold halves of the same
 * arithmetic (plan.ts and gemm-plan.h, command-writer.ts and command_stream.h): an addon of other sources would read and
 * write wrong memory. The build puts the hash into the addon (`node bindings/native/sources.cjs HEADER`), loading compares.
 */
const { createHash } = require("node:crypto");
const { existsSync, readdirSync, readFileSync, writeFileSync } = require("node:fs");
const { join, resolve } = require("node:path");

const CODE = /\.(cc|cpp|h|ts)$/;
/** The truth and the cases are the tests' own. */
const OF_TESTS = /^(reference|cases)\.ts$/;

/** Paths from `root`, in one order on all systems. */
function nativeSources(root) {
  const found = ["CMakeLists.txt"];
  const visit = (folder) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) visit(path);
      else if (CODE.test(entry.name) && !OF_TESTS.test(entry.name)) found.push(path);
    }
  };
  visit("bindings/native");
  visit("kernels");
  return found.sort();
}

function nativeSourcesHash(root) {
  const hash = createHash("sha256");
  for (const path of nativeSources(root))
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update("\0");
  return hash.digest("hex");
}

module.exports = { nativeSources, nativeSourcesHash };

if (require.main === module) {
  const header = process.argv[2];
  const text = `#pragma once\n#define CONSILIUM_SOURCES "${nativeSourcesHash(resolve(__dirname, "../.."))}"\n`;
  // Untouched where nothing changed, so that nothing is compiled again.
  if (!existsSync(header) || readFileSync(header, "utf8") !== text) writeFileSync(header, text);
}
