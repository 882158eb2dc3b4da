// Builds the native addon, device "cpu": in a clone (setup.mjs), where the package is installed (install.mjs) and when it
// is asked for (`consilium setup`). CMake and a compiler, no downloads.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { nativeSourcesHash } from "../bindings/native/sources.cjs";
import { quietly } from "./command.mjs";
import { missingPackages } from "./system-packages.mjs";

const require = createRequire(import.meta.url);
/** The package's own folder, with links resolved, as CMake writes it. */
export const root = realpathSync(new URL("..", import.meta.url));

const build = join(root, "build");
const stamp = join(build, "built-from");

/** SIMD targets: `all` makes an addon that travels to other machines at its best speed, and takes half as long again. */
const targets = process.env.CONSILIUM_TARGETS ?? "local";

/** What an addon depends on: another platform or version of anything here needs another. */
function ingredients() {
  const version = (name) => require(`${name}/package.json`).version;
  const headers = ["node-addon-api", "node-api-headers"].map((name) => `${name}@${version(name)}`);
  return [nativeSourcesHash(root), process.platform, process.arch, targets, ...headers].join("\n");
}

/** Why it cannot be built here, in a few words; null where it can. */
export function obstacle() {
  if (process.platform === "win32") return "it builds on Linux and macOS; on Windows, under WSL";
  const missing = missingPackages();
  return missing.length === 0 ? null : `missing: ${missing.join(", ")}`;
}

/** How to get what is missing, for people. */
export function remedy() {
  const missing = missingPackages();
  if (process.platform === "win32") return "Use webgpu or reference";
  if (process.platform === "darwin") return "Get it with: xcode-select --install; brew install cmake ninja highway";
  if (existsSync("/usr/bin/apt-get")) return `As root: apt-get install ${missing.join(" ")}`;
  return "These are Debian's names: install them with your system's package manager";
}

export const isBuilt = () =>
  existsSync(join(build, "Release", "consilium.node")) &&
  existsSync(stamp) &&
  readFileSync(stamp, "utf8") === ingredients();

/** Makes build/Release/consilium.node; work done before is kept. Rejects with the tool's words in `output`. */
export async function buildAddon() {
  const cache = join(build, "CMakeCache.txt");
  // A folder that was copied or moved: its build would go on compiling the sources of the old place.
  if (existsSync(cache) && !readFileSync(cache, "utf8").includes(`CMAKE_CACHEFILE_DIR:INTERNAL=${build}\n`))
    rmSync(build, { recursive: true });
  // The choice of the generator is for the first time: CMake refuses to change it.
  const ninja = !existsSync(cache) && spawnSync("ninja", ["--version"]).status === 0 ? ["-G", "Ninja"] : [];
  const settings = { CMAKE_BUILD_TYPE: "Release", CONSILIUM_TARGETS: targets, NODE: process.execPath };
  const defines = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
  await quietly("cmake", ["-S", root, "-B", build, ...ninja, ...defines], root);
  await quietly("cmake", ["--build", build, "--parallel", String(availableParallelism())], root);
  writeFileSync(stamp, ingredients());
}
