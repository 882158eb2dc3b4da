import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const clone = fileURLToPath(new URL("../..", import.meta.url));
const readJson = (path: string) => JSON.parse(readFileSync(path, "utf8"));

export interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

/** A project of someone else with our tarball and what it depends on, in a folder that knows nothing of the clone. */
export interface Project {
  readonly folder: string;
  /** The package in it. */
  readonly installed: string;
  /** Paths in the tarball. */
  readonly packed: readonly string[];
  readonly tarball: string;
  write(name: string, text: string): void;
  run(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Outcome;
  remove(): void;
}

/** Packs what `npm test` has built, then installs it without install scripts: the addon is not there. */
export function installedProject(): Project {
  const folder = mkdtempSync(join(tmpdir(), "consilium-installed-"));
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
  const [{ filename, files }] = JSON.parse(execFileSync("npm", pack, { cwd: clone, encoding: "utf8" }));
  const run = (command: string, args: readonly string[], env?: NodeJS.ProcessEnv) => {
    const found = spawnSync(command, args, { cwd: folder, encoding: "utf8", env: { ...process.env, ...env } });
    return { code: found.status, output: found.stdout + found.stderr };
  };
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  write("package.json", JSON.stringify({ name: "someone-else", dependencies: { consilium: `file:${filename}` } }));
  write("package-lock.json", JSON.stringify(lockFile(filename)));
  // From npm's cache, where the set-up of the clone left these very versions.
  const { code, output } = run("npm", ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"]);
  if (code !== 0) throw new Error(`npm ci failed:\n${output}`);
  return {
    folder,
    installed: join(folder, "node_modules", "consilium"),
    packed: files.map(({ path }: { path: string }) => path),
    tarball: join(folder, filename),
    write,
    run,
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** What is locked for the clone, less what only its development needs. */
function lockFile(tarball: string) {
  const { packages, lockfileVersion } = readJson(join(clone, "package-lock.json"));
  const { "": root, ...all } = packages;
  const needed = Object.entries<{ dev?: boolean }>(all).filter(([, entry]) => !entry.dev);
  const { devDependencies: _, ...consilium } = root;
  return {
    name: "someone-else",
    lockfileVersion,
    packages: {
      "": { name: "someone-else", dependencies: { consilium: `file:${tarball}` } },
      ...Object.fromEntries(needed),
      "node_modules/consilium": { ...consilium, resolved: `file:${tarball}` },
    },
  };
}

/** Puts the clone's addon where a build would. That it fits shows when it loads: it knows the hash of its sources. */
export function addAddon({ installed }: Project): void {
  mkdirSync(join(installed, "build", "Release"), { recursive: true });
  cpSync(join(clone, "build", "Release", "consilium.node"), join(installed, "build", "Release", "consilium.node"));
}
