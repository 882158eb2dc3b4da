// The page of `consilium bench --page`: bench/page and what it imports, bundled to dist/bench/site.
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "vite";
import { fromSources } from "./page-bundle.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

export async function buildBenchSite() {
  const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
  await build({
    ...fromSources,
    root: `${root}bench/page`,
    base: "./",
    configFile: false,
    logLevel: "error",
    publicDir: false,
    define: { CONSILIUM_VERSION: JSON.stringify(version) },
    build: { outDir: `${root}dist/bench/site`, emptyOutDir: true, modulePreload: false, reportCompressedSize: false },
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await buildBenchSite();
