// Damaged files for every reader (test/fuzz/README.md): node scripts/fuzz.mjs [--files 10000] [--only PNG] [--case PNG#17 [--keep FOLDER]]
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "vite";
import { fromSources } from "./page-bundle.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Sources as one program for Node, which starts no compiler. The paths of the bundles. */
export async function bundleFuzz() {
  const outDir = `${root}build/fuzz`;
  await build({
    ...fromSources,
    resolve: {
      alias: [
        { find: "#platform", replacement: `${root}bindings/platform/node.ts` },
        { find: "#csv", replacement: "csv-parse/sync" },
      ],
    },
    root,
    configFile: false,
    logLevel: "error",
    publicDir: false,
    build: {
      ssr: true,
      outDir,
      emptyOutDir: true,
      minify: false,
      reportCompressedSize: false,
      rollupOptions: { input: { child: `${root}test/fuzz/child.ts`, main: `${root}test/fuzz/main.ts` } },
    },
  });
  return { child: `${outDir}/child.js`, main: `${outDir}/main.js` };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: {
      files: { type: "string", default: "10000" },
      only: { type: "string", default: "" },
      case: { type: "string" },
      keep: { type: "string" },
    },
  });
  process.chdir(root);
  const { child, main } = await bundleFuzz();
  const { many, again } = await import(pathToFileURL(main).href);
  const isSound = values.case
    ? await again(values.case, values.keep)
    : await many({ child, files: Number(values.files), only: values.only });
  process.exit(isSound ? 0 : 1);
}
