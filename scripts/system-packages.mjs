// What the build needs from the system, and whether it is there.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chromiumPath } from "./chromium.mjs";

const works = (command, args = ["--version"]) => spawnSync(command, args, { stdio: "ignore" }).status === 0;

/** Debian packages that are missing, by the tool or file each brings. */
export function missingPackages() {
  const missing = [];
  // What CMake tries.
  if (![process.env.CXX, "c++", "g++", "clang++"].some((compiler) => compiler && works(compiler))) missing.push("g++");
  if (!works("cmake")) missing.push("cmake");
  if (!works("make") && !works("ninja")) missing.push("ninja-build");
  const prefixes = ["/usr", "/usr/local", "/opt/homebrew", ...(process.env.CMAKE_PREFIX_PATH ?? "").split(":")];
  if (!prefixes.some((prefix) => existsSync(`${prefix}/include/hwy/highway.h`))) missing.push("libhwy-dev");
  return missing;
}

/** clang-format, for `npm run lint`. */
export const missingFormatter = () => (works("clang-format") ? [] : ["clang-format"]);

/** A browser for the tests of pages. */
export const missingBrowser = () => (chromiumPath() || process.env.CHROMIUM ? [] : ["chromium"]);

const icdFolders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];

/**
 * What is missing for WebGPU on a machine without a GPU: the Vulkan loader and lavapipe. Dawn refuses the driver of Debian
 * 12 (Mesa 22.3); its backports have a newer one. Null when a driver is there that will do.
 */
export function missingVulkan() {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const bookworm = /VERSION_CODENAME=bookworm/.test(release);
  const drivers = icdFolders.flatMap((f) => (existsSync(f) ? readdirSync(f) : []));
  const loader =
    existsSync("/usr/lib/x86_64-linux-gnu/libvulkan.so.1") || existsSync("/usr/lib/aarch64-linux-gnu/libvulkan.so.1");
  const mesa = mesaVersion();
  if (loader && drivers.length > 0 && (mesa === null || mesa >= 24)) return null;
  const packages = ["libvulkan1", "mesa-vulkan-drivers"];
  if (!bookworm) return { packages };
  const configured = spawnSync("apt-cache", ["policy"], { encoding: "utf8" }).stdout?.includes("bookworm-backports");
  return {
    packages,
    release: "bookworm-backports",
    source: configured ? null : "deb http://deb.debian.org/debian bookworm-backports main",
  };
}

function mesaVersion() {
  const found = spawnSync("dpkg-query", ["-W", "-f", "$" + "{Version}", "mesa-vulkan-drivers"], { encoding: "utf8" });
  return found.status === 0 ? Number.parseInt(found.stdout, 10) : null;
}
