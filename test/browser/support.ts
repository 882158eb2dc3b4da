import { readFile, stat } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, test } from "vitest";
import { CHROMIUM_FLAGS, chromiumPath, NO_CHROMIUM } from "../../scripts/chromium.mjs";
import type { Bundle } from "../../scripts/page-bundle.mjs";
import { required } from "../support/devices.js";

export const root = fileURLToPath(new URL("../..", import.meta.url));

const executablePath = chromiumPath();
if (!executablePath && required.has("browser")) throw new Error(NO_CHROMIUM);

let browser: Promise<Browser> | undefined;
afterAll(async () => (await browser)?.close());

/** A test with a fresh page, skipped with its reason where no Chromium is. Errors of the page that nothing caught fail it. */
export const pageTest = (title: string, body: (page: Page) => Promise<void>, timeout = 300_000) =>
  test(title, { timeout }, async (context) => {
    if (!executablePath) return context.skip(NO_CHROMIUM);
    browser ??= chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
    const own = await (await browser).newContext();
    const page = await own.newPage();
    const errors: string[] = [];
    page.on("pageerror", ({ message }) => errors.push(message));
    try {
      await body(page);
      if (errors.length) throw new Error(`The page threw: ${errors.join("; ")}`);
    } catch (error) {
      if (errors.length && error instanceof Error) error.message += `\nThe page threw: ${errors.join("; ")}`;
      throw error;
    } finally {
      await own.close();
    }
  });

export const gzipBytes = (text: string) => gzipSync(text).length;

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".jpg": "image/jpeg",
};

/**
 * Serves a folder, or a bundle with a page that runs its entry, until the file's tests are over; resolves with the origin.
 * Unknown paths get 404, those under /single-page/ an HTML page, as many servers do.
 */
export async function serve(site: Bundle | string): Promise<string> {
  const bodyOf = async (path: string): Promise<string | Uint8Array | null> => {
    if (path.startsWith("/single-page/")) return PAGE("");
    if (typeof site !== "string") return path === "/index.html" ? PAGE(site.entry) : (site.files.get(path) ?? null);
    const file = join(site, path);
    const isFile = await stat(file).then(
      (s) => s.isFile(),
      () => false,
    );
    return isFile ? readFile(file) : null;
  };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const path = pathname.endsWith("/") && !pathname.startsWith("/single-page/") ? `${pathname}index.html` : pathname;
    const body = await bodyOf(decodeURIComponent(path));
    if (body === null) return void response.writeHead(404).end();
    const type = path.startsWith("/single-page/")
      ? TYPES[".html"]
      : (TYPES[extname(path)] ?? "application/octet-stream");
    send(response, typeof body === "string" ? new TextEncoder().encode(body) : body, type, request.headers.range);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  afterAll(() => server.close());
  return `http://localhost:${(server.address() as AddressInfo).port}`;
}

const PAGE = (entry: string) =>
  `<!doctype html><html lang="en"><title>test</title><script type="module" src="${entry}"></script></html>`;

function send(response: ServerResponse, body: Uint8Array, type: string, range?: string): void {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
  const head = { "content-type": type, "accept-ranges": "bytes" };
  if (first === undefined) return void response.writeHead(200, head).end(body);
  const [from, to] = [Number(first), Math.min(Number(last) + 1, body.length)];
  response.writeHead(206, { ...head, "content-range": `bytes ${from}-${to - 1}/${body.length}` });
  response.end(body.subarray(from, to));
}

/** What the page's entry module exports or put into `globalThis.result`, once it is there. */
export async function resultOf<T>(page: Page, url: string): Promise<T> {
  await page.goto(url);
  await page.waitForFunction(() => "result" in globalThis);
  return page.evaluate(() => (globalThis as unknown as { result: T }).result);
}
