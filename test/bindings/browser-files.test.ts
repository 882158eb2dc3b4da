import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import * as downloads from "../../bindings/platform/browser-downloads.js";
import { writeFile } from "../../bindings/platform/browser-files.js";
import { FileError } from "../../bindings/platform/file-error.js";
import type { Download } from "../../bindings/platform/files.js";

/** What the page's file functions do is the same under Node, which has fetch; the browser's part is in test/browser. */
let origin = "";
let close = () => {};
let requests: string[] = [];

async function serve(listener: RequestListener): Promise<void> {
  const server = createServer((request, response) => {
    requests.push(`${request.url} ${request.headers.range ?? "whole"}`);
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = () => server.close();
}

beforeEach(() => {
  requests = [];
});
afterEach(() => close());

const BIG = 70 << 20;
/** Byte i of the file that the servers pretend to have. */
const byte = (i: number) => (i * 7) % 251;
const bytes = (from: number, to: number) => Uint8Array.from({ length: to - from }, (_, i) => byte(from + i));

/** Answers ranges, of a file of `size` bytes. */
const ranged =
  (size: number, sizeNow = () => size): RequestListener =>
  ({ headers }, response) => {
    const [, first, last] = /bytes=(\d+)-(\d+)/.exec(headers.range ?? "") ?? [];
    if (first === undefined) return void response.end(bytes(0, size));
    const [from, to] = [Number(first), Math.min(Number(last) + 1, size)];
    response.writeHead(206, { "content-range": `bytes ${from}-${to - 1}/${sizeNow()}`, "content-length": to - from });
    // The first answer of a large file is never read to its end.
    response.end(to - from > 2 << 20 ? new Uint8Array(1 << 20) : bytes(from, to));
  };

test("a small file comes whole, in one request", async () => {
  await serve(ranged(1000));
  const file = await downloads.openFile(`${origin}/a`);
  expect(file.size).toBe(1000);
  expect(await file.read(10, 20)).toEqual(bytes(10, 30));
  expect(await file.read(1000, 0)).toEqual(new Uint8Array(0));
  await expect(file.read(990, 11)).rejects.toThrow("bytes 990 to 1001 asked for, the file has 1000");
  expect(requests).toEqual(["/a bytes=0-67108863"]);
});

test("a server without ranges sends the whole file", async () => {
  await serve((_, response) => void response.end(bytes(0, 500)));
  const file = await downloads.openFile(`${origin}/a`);
  expect([file.size, ...(await file.read(499, 1))]).toEqual([500, byte(499)]);
});

test("a large file comes in the pieces that are read; small reads fetch what follows, too", async () => {
  await serve(ranged(BIG));
  const file = await downloads.openFile(`${origin}/a`);
  expect(file.size).toBe(BIG);
  expect(await file.read(5, 3)).toEqual(bytes(5, 8));
  expect(await file.read(900_000, 100)).toEqual(bytes(900_000, 900_100));
  expect((await file.read(10, 1_100_000)).length).toBe(1_100_000);
  expect(await file.read(BIG - 2, 2)).toEqual(bytes(BIG - 2, BIG));
  expect(requests.slice(1)).toEqual(["/a bytes=5-1048580", "/a bytes=10-1100009", `/a bytes=${BIG - 2}-${BIG - 1}`]);
});

test("a large file that changes meanwhile is refused", async () => {
  let size = BIG;
  await serve(ranged(BIG, () => size));
  const file = await downloads.openFile(`${origin}/a`);
  size++;
  await expect(file.read(0, 10)).rejects.toThrow(`${origin}/a: the file changed while it was read: try again`);
});

test("listeners hear of the bytes as they come", async () => {
  await serve((_, response) => void response.writeHead(200, { "content-length": 3000 }).end(bytes(0, 3000)));
  const heard: Download[] = [];
  const stop = downloads.onDownload((download) => heard.push(download));
  await downloads.openFile(`${origin}/a`);
  expect(heard.at(-1)).toEqual({ url: `${origin}/a`, loaded: 3000, total: 3000 });
  expect(heard[0].total).toBe(3000);
  stop();
  const before = heard.length;
  await downloads.readText(`${origin}/a`);
  expect(heard.length).toBe(before);
});

test.each<[string, RequestListener, string]>([
  ["404", (_, r) => void r.writeHead(404).end(), "the server has no such file (404)"],
  ["403", (_, r) => void r.writeHead(403).end(), "the server does not give it out (403)"],
  ["500", (_, r) => void r.writeHead(500, "Oh no").end(), "the server answers 500 Oh no"],
  [
    "an HTML page instead of the file",
    (_, r) => void r.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end("<!doctype html>"),
    "the server answers with an HTML page, as many do for any unknown path: check the path",
  ],
])("%s: one error that names the URL", async (_, listener, reason) => {
  await serve(listener);
  for (const read of [downloads.openFile, downloads.readText]) {
    const error = await read(`${origin}/model.safetensors`).catch((e) => e);
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toBe(`${origin}/model.safetensors: ${reason}`);
  }
  expect(await downloads.exists(`${origin}/model.safetensors`)).toBe(false);
});

test("a server that is not there, and one that breaks off", async () => {
  await serve((_, response) => {
    response.writeHead(200, { "content-length": 1000 }).write(bytes(0, 100));
    setTimeout(() => response.destroy(), 50);
  });
  await expect(downloads.openFile(`${origin}/a`)).rejects.toThrow(
    `${origin}/a: the download broke off after 100 bytes: try again`,
  );
  close();
  await expect(downloads.openFile("http://127.0.0.1:1/a")).rejects.toThrow(
    "http://127.0.0.1:1/a: it cannot be fetched: the server is not reached, or does not let this page read it (CORS)",
  );
});

test("a page cannot write to a server", async () => {
  await expect(writeFile("https://example.org/a", [])).rejects.toThrow(
    "https://example.org/a: a page cannot write to a server. Give it a name in the page's own storage, opfs:NAME, or",
  );
});
