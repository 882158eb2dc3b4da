// Compiles the driver that traces (trace-driver.cc), where that has not been done from the same sources.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { quietly } from "../command.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const SOURCES = ["scripts/gpu/trace-driver.cc", "bindings/native/cuda/driver.h"];
// It travels to machines without a compiler's libraries.
const FLAGS = [
  ...["-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"],
  ...["-shared", "-static-libstdc++", "-static-libgcc"],
];

/** From the root of the repository; what it was compiled from lies in it too. */
export const TRACE_FOLDER = "build/trace";

/** The library's path. Rejects where it is neither compiled nor can be. */
export async function buildTraceDriver() {
  const library = join(root, TRACE_FOLDER, "libcuda-trace.so");
  const note = `${library}.sha256`;
  const hash = createHash("sha256").update(FLAGS.join(" "));
  for (const path of SOURCES) hash.update(readFileSync(join(root, path)));
  const state = hash.digest("hex");
  if (existsSync(library) && existsSync(note) && readFileSync(note, "utf8") === state) return library;
  mkdirSync(join(root, TRACE_FOLDER), { recursive: true });
  const compiler = process.env.CXX ?? "g++";
  await quietly(compiler, [...FLAGS, `-I${root}`, SOURCES[0], "-ldl", "-o", library], root).catch((error) => {
    throw new Error(`the tracing driver does not compile: ${error.message}\n${error.output}`);
  });
  writeFileSync(note, state);
  return library;
}
