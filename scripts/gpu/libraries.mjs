import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, realpathSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";

/** glibc, which every host has in a version of its own, and which nothing else may stand beside. */
const OF_SYSTEM = /^(ld-linux.*|linux-vdso|lib(c|m|dl|rt|pthread|resolv|util))\.so/;
/** Of the compiler: the host's own are taken where there are some, since its driver and its Python may need newer ones. */
const OF_COMPILER = /^lib(stdc\+\+|gcc_s|atomic)\.so/;

/** Shared libraries that a program or addon links to, directly or not: where each was found, null where it was not. */
export function librariesOf(file, env = process.env) {
  const listed = execFileSync("ldd", [file], { encoding: "utf8", env: { ...env, LC_ALL: "C" } });
  return new Map(
    [...listed.matchAll(/^\s*(\S+) => (not found|\S+)/gm)].map(([, name, path]) => [
      name,
      path === "not found" ? null : path,
    ]),
  );
}

/**
 * Copies into `folder/lib` what `programs`, and every addon below the folder, need from outside of it: those of the compiler into
 * `folder/lib/if-missing`. Returns the names. Throws where this machine lacks one itself.
 */
export function carryLibraries(folder, programs = []) {
  const whole = realpathSync(folder);
  const addons = readdirSync(whole, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".node"))
    .map((name) => join(whole, name));
  const carried = new Set();
  for (const file of [...programs, ...addons]) {
    for (const [name, path] of librariesOf(file)) {
      if (path === null) throw new Error(`${basename(file)} needs ${name}, which is not here`);
      if (OF_SYSTEM.test(name) || carried.has(name) || realpathSync(path).startsWith(whole + sep)) continue;
      const target = join(whole, "lib", OF_COMPILER.test(name) ? "if-missing" : "", name);
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(path, target);
      carried.add(name);
    }
  }
  return [...carried].sort();
}
