/**
 * Rows of a suite in headless Chromium on its software adapter (SwiftShader), ours and the peers in one page:
 *
 *     node dist/bench/tools/in-chromium.js matmul --shapes 512x512x512 --json page.json
 */
import { existsSync, readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { loadavg } from "node:os";
import { basename, extname, join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { peersFolder } from "../contenders/index.js";
import { benchDocumentSchema } from "../document.js";
import { environment, root } from "../machine/environment.js";
import { descendantSeconds } from "../machine/processes.js";
import type { PageReply, PageRequest } from "../page/main.js";
import type { Suite } from "../suites/names.js";

// By path: this file runs from dist/, which the scripts are not in.
const script = (name: string) => import(join(root, "scripts", name));
const { CHROMIUM_FLAGS, chromiumPath, NO_CHROMIUM }: typeof import("../../scripts/chromium.mjs") =
  await script("chromium.mjs");
const { bundlePage, fromSources }: typeof import("../../scripts/page-bundle.mjs") = await script("page-bundle.mjs");

const PAGE = `<!doctype html><title>consilium</title><script src="/lodash.js"></script><script type="module" src="/main.js"></script>`;

/** The package that each peer is. */
const PACKAGES: Readonly<Record<string, string>> = {
  tfjs: "@tensorflow/tfjs",
  jax: "@jax-js/jax",
  ort: "onnxruntime-web",
};

/** Versions of those that are installed; the others with what to do. */
function installed(names: readonly string[]): { versions: Record<string, string>; missing: Record<string, string> } {
  const versions: Record<string, string> = {};
  const missing: Record<string, string> = {};
  for (const name of names) {
    const manifest = join(peersFolder, "node_modules", PACKAGES[name], "package.json");
    if (existsSync(manifest)) versions[name] = JSON.parse(readFileSync(manifest, "utf8")).version;
    else missing[name] = "it is not installed. Install it with: npm i --prefix bench/peers --ignore-scripts";
  }
  return { versions, missing };
}

/** The files of the site by path: the page and, each in a bundle of its own, the libraries. */
async function bundle(libraries: readonly string[]): Promise<ReadonlyMap<string, string | Uint8Array>> {
  const files = new Map<string, string | Uint8Array>([
    ["/", PAGE],
    ["/favicon.ico", ""],
    // The benchmark package asks for it by its global name in a page.
    ["/lodash.js", await readFile(createRequire(import.meta.url).resolve("lodash"), "utf8")],
  ]);
  const entries = ["bench/page/main.ts", ...libraries.map((name) => `bench/peers/js/${name}-webgpu.mjs`)];
  for (const entry of entries) {
    const built = await bundlePage(entry, fromSources);
    for (const [path, body] of built.files) files.set(path, body);
    files.set(`/${basename(entry, extname(entry))}.js`, `export * from ".${built.entry}";`);
  }
  return files;
}

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

async function serve(files: ReadonlyMap<string, string | Uint8Array>): Promise<Server> {
  const ort = join(peersFolder, "node_modules", "onnxruntime-web", "dist");
  const server = createServer(async ({ url = "/" }, response) => {
    const [path] = url.split("?");
    const [, name] = /^\/onnxruntime-web\/([\w.-]+)$/.exec(path) ?? [];
    const body = name ? await readFile(join(ort, name)).catch(() => null) : (files.get(path) ?? null);
    response.writeHead(body === null ? 404 : 200, { "content-type": TYPES[extname(path)] ?? "text/html" });
    response.end(body ?? "");
  });
  await new Promise<void>((ready) => void server.listen(0, "127.0.0.1", ready));
  return server;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      shapes: { type: "string" },
      peers: { type: "string", default: "tfjs,jax,ort" },
      seconds: { type: "string", default: "60" },
      json: { type: "string" },
    },
  });
  const executablePath = chromiumPath();
  if (!executablePath) throw new Error(`bench: ${NO_CHROMIUM}`);
  const names = values.peers.split(",").filter((name) => name !== "");
  for (const name of names)
    if (!(name in PACKAGES))
      throw new Error(`bench: unknown peer "${name}". Known: ${Object.keys(PACKAGES).join(", ")}.`);
  const { versions, missing } = installed(names);
  const server = await serve(await bundle(Object.keys(versions).filter((name) => name !== "ort")));
  const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
  try {
    const page = await browser.newPage();
    await page.exposeFunction("processorSeconds", descendantSeconds);
    page.on("console", (message) => process.stderr.write(`${message.text()}\n`));
    page.on("pageerror", (error) => process.stderr.write(`${error.message}\n`));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction("globalThis.rows");
    const request: PageRequest = {
      suite: (positionals[0] ?? "matmul") as Suite,
      peers: versions,
      budgetSeconds: Number(values.seconds),
      ...(values.shapes && { shapes: values.shapes }),
    };
    const loadBefore = loadavg();
    const reply = (await page.evaluate(`rows(${JSON.stringify(request)})`)) as PageReply;
    const peers = { ...reply.peers, ...missing };
    const where = { name: "webgpu" as const, description: `${reply.device}, Chromium ${browser.version()}` };
    const rows = reply.rows.map((row) => ({
      ...row,
      peers: {
        ...row.peers,
        ...Object.fromEntries(
          Object.entries(missing).map(([k, reason]) => [k, { medianUs: null, ratio: null, reason }]),
        ),
      },
    }));
    const found = environment(where, 1, loadBefore, peers);
    const document = benchDocumentSchema.parse({
      version: 2,
      environment: found,
      ceilings: reply.ceilings,
      rows,
      skipped: reply.skipped,
    });
    const text = `${JSON.stringify(document, null, 2)}\n`;
    if (values.json) await writeFile(values.json, text);
    else process.stdout.write(text);
  } finally {
    await browser.close();
    server.close();
  }
}

await main();
