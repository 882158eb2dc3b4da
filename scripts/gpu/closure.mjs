import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Folders (from `root`) of npm packages and of all that they need, as the lock file and node_modules have them. */
export function packagesOf(root, names) {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const found = new Set();
  const visit = (path) => {
    // Optional ones of other platforms are not installed.
    if (found.has(path) || !existsSync(join(root, path))) return;
    found.add(path);
    const { dependencies, optionalDependencies, peerDependencies } = packages[path] ?? {};
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const own = `${path}/node_modules/${name}`;
      visit(packages[own] ? own : `node_modules/${name}`);
    }
  };
  for (const name of names) visit(`node_modules/${name}`);
  // A package inside another one is copied with it.
  return [...found].filter((path) => ![...found].some((other) => path.startsWith(`${other}/`)));
}
