// A .wgsl file as an ES module, the same in the build, in tests and in a bundler: a page carries the kernels it uses,
// with the files of kernels/common/wgsl that these name, and no others.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const KERNELS = fileURLToPath(new URL("../kernels/", import.meta.url));
const COMMON = join(KERNELS, "common", "wgsl");
const FIRST_LINE = /^\/\/ common: (.+)/;

/** The text that a driver compiles: comments are for readers of the file. Lines keep their numbers. */
export const wgslText = (file) => file.replace(/[ \t]*\/\/.*$/gm, "");

/**
 * The source of the module of the file at `path`: its default export is a WgslSource (kernels/contract.ts), its place in
 * kernels/, the text and the sources that its first line (`// common: grid, reduce`) names. Throws where one of them is not
 * there.
 */
export function wgslModule(path) {
  const file = readFileSync(path, "utf8");
  const names =
    FIRST_LINE.exec(file)?.[1]
      .split(",")
      .map((name) => name.trim()) ?? [];
  const imports = names.map((name, i) => {
    const target = join(COMMON, `${name}.wgsl`);
    if (!existsSync(target)) throw new Error(`${path}: it asks for ${name}.wgsl, which is not in kernels/common/wgsl`);
    const specifier = relative(dirname(path), target).replaceAll("\\", "/");
    return `import common${i} from "${specifier.startsWith(".") ? specifier : `./${specifier}`}.js";\n`;
  });
  const common = names.map((_, i) => `common${i}`).join(", ");
  const own = relative(KERNELS, path)
    .replaceAll("\\", "/")
    .replace(/\.wgsl$/, "");
  const name = own.startsWith("../") ? "" : `name: ${JSON.stringify(own)}, `;
  return `${imports.join("")}export default { ${name}text: ${JSON.stringify(wgslText(file))}, common: [${common}] };\n`;
}

const PREFIX = "\0wgsl:";

/** For Vite, vitest and Rollup: `import source from "./forward.wgsl.js"` reads `forward.wgsl`, without a build. */
export const wgslPlugin = {
  name: "wgsl",
  enforce: "pre",
  resolveId(id, importer) {
    if (!id.endsWith(".wgsl.js") || !importer) return null;
    const from = importer.startsWith(PREFIX) ? importer.slice(PREFIX.length) : importer.replace(/\?.*$/, "");
    const path = join(dirname(from), id.slice(0, -".js".length));
    // Built packages have the module itself.
    return existsSync(path) ? PREFIX + path : null;
  },
  load(id) {
    if (!id.startsWith(PREFIX)) return null;
    const path = id.slice(PREFIX.length);
    this.addWatchFile?.(path);
    return { code: wgslModule(path), moduleSideEffects: false };
  },
};
