/**
 * Rows of a suite in headless Chromium on its software adapter (SwiftShader), ours and the peers in one page:
 *
 *     node dist/bench/page.js matmul --shapes 512x512x512 --json page.json
 */
import { existsSync, readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { loadavg } from "node:os";
import { extname, join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { build } from "vite";
import { peersFolder } from "./contenders/index.js";
import { BenchDocument } from "./document.js";
import { environment, root } from "./environment.js";
import type { PageReply, PageRequest } from "./page/main.js";
import { descendantSeconds } from "./processes.js";
import type { Suite } from "./suites/index.js";

/** WebGPU on the CPU, by the adapter that Chromium brings. */
const FLAGS = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
  "--no-sandbox",
];
const EXECUTABLES = [process.env.CHROMIUM ?? "", "/usr/bin/chromium", "/usr/bin/chromium-browser"];

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
  const { wgslPlugin } = await import(join(root, "scripts", "wgsl-module.mjs"));
  const files = new Map<string, string | Uint8Array>([
    ["/", PAGE],
    ["/favicon.ico", ""],
    // The benchmark package asks for it by its global name in a page.
    ["/lodash.js", await readFile(createRequire(import.meta.url).resolve("lodash"), "utf8")],
  ]);
  const inputs = [
    ["main", join(root, "bench/page/main.ts")],
    ...libraries.map((name) => [name, join(peersFolder, "webgpu", `${name}.mjs`)]),
  ];
  for (const [name, input] of inputs) {
    const built = await build({
      root,
      configFile: false,
      logLevel: "error",
      publicDir: false,
      plugins: [wgslPlugin],
      resolve: { alias: { "#platform": join(root, "bindings/platform/browser.ts") } },
      build: {
        write: false,
        modulePreload: false,
        reportCompressedSize: false,
        rollupOptions: {
          input: { [name]: input },
          preserveEntrySignatures: "strict",
          output: { entryFileNames: "[name].js" },
        },
      },
    });
    const [first] = [built].flat();
    if (!("output" in first)) throw new Error(`Vite gave no output of ${input}`);
    for (const o of first.output) files.set(`/${o.fileName}`, o.type === "chunk" ? o.code : o.source);
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
  const executablePath = EXECUTABLES.find((path) => path !== "" && existsSync(path));
  if (!executablePath) throw new Error("bench: no Chromium here. Install it, or set CHROMIUM to its path.");
  const names = values.peers.split(",").filter((name) => name !== "");
  for (const name of names)
    if (!(name in PACKAGES))
      throw new Error(`bench: unknown peer "${name}". Known: ${Object.keys(PACKAGES).join(", ")}.`);
  const { versions, missing } = installed(names);
  const server = await serve(await bundle(Object.keys(versions).filter((name) => name !== "ort")));
  const browser = await chromium.launch({ executablePath, args: FLAGS });
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
    const document = BenchDocument.parse({ version: 1, environment: environment(where, 1, loadBefore, peers), rows });
    const text = `${JSON.stringify(document, null, 2)}\n`;
    if (values.json) await writeFile(values.json, text);
    else process.stdout.write(text);
  } finally {
    await browser.close();
    server.close();
  }
}

await main();
