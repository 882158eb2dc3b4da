// An entry file as Vite bundles it for pages, in memory: what the tests and the benchmarks of pages serve.
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { wgslPlugin } from "./wgsl-module.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const source = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** The files by path from the root of the site, and the path of the entry's chunk. `config` as Vite takes it. */
export async function bundlePage(entry, config = {}) {
  const built = await build({
    root,
    configFile: false,
    logLevel: "error",
    publicDir: false,
    ...config,
    build: {
      write: false,
      modulePreload: false,
      reportCompressedSize: false,
      rollupOptions: { input: source(entry), preserveEntrySignatures: "strict" },
    },
  });
  const [first] = [built].flat();
  if (!("output" in first)) throw new Error(`Vite gave no output of ${entry}`);
  const files = new Map(first.output.map((o) => [`/${o.fileName}`, o.type === "chunk" ? o.code : o.source]));
  const chunk = first.output.find((o) => o.type === "chunk" && o.isEntry);
  if (!chunk) throw new Error(`Vite made no entry of ${entry}`);
  return { files, entry: `/${chunk.fileName}` };
}

/** The sources instead of the built package: for pages that use what the package does not export. */
export const fromSources = {
  plugins: [wgslPlugin],
  resolve: {
    alias: [
      { find: "#platform", replacement: source("bindings/platform/browser.ts") },
      { find: /^consilium$/, replacement: source("engine/index.ts") },
      { find: /^consilium\/models$/, replacement: source("models/index.ts") },
    ],
  },
};
