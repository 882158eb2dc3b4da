import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fetchDataSet } from "../../apps/data/fetch.js";
import { LOCK_FILE } from "../../apps/data/lock-file.js";
import { type DataSource, sources } from "../../apps/data/sources.js";
import { dataSetFolder, noise, sha256 } from "./data-set-support.js";

const place = dataSetFolder();
const gitHash = (bytes: Buffer) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

/** A server that answers each path as it is told. */
class Plain {
  answer: (request: IncomingMessage, response: ServerResponse) => void = () => {};
  readonly requests: string[] = [];
  readonly #server: Server = createServer((request, response) => {
    const { range, "if-range": ifRange } = request.headers;
    this.requests.push([request.url, range, ifRange].filter(Boolean).join(" "));
    this.answer(request, response);
  });

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get host(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe("other hosts", () => {
  let plain: Plain;
  beforeEach(async () => {
    plain = await new Plain().open();
  });
  afterEach(() => plain.close());
  const about = { title: "", paper: "", licence: "x", licenceUrl: "", next: "" };

  describe("a repository of GitHub", () => {
    const files: Record<string, Buffer> = {
      "data/trainset.json": Buffer.from("[1]"),
      "data/testset.json": Buffer.from("[2]"),
      "data/images/synpic1.jpg": noise,
      "data/images/notes.txt": Buffer.from("no"),
    };
    const fetch = () => {
      const hosts = { hub: "http://none", githubApi: plain.host, githubFiles: `${plain.host}/raw` };
      return fetchDataSet("vqa-rad", sources["vqa-rad"], place.folder, { hosts });
    };
    const answer = (given = files) => {
      plain.answer = ({ url = "" }, response) => {
        const [, path] = /^\/raw\/Awenbocc\/med-vqa\/0cca6811e38cf54aff6a7cce3442296d07875e64\/(.*)$/.exec(url) ?? [];
        if (path) return void response.end(given[path]);
        const tree = Object.entries(files).map(([path, bytes]) => ({
          path,
          type: "blob",
          size: bytes.length,
          sha: gitHash(bytes),
        }));
        response.end(JSON.stringify({ tree: [...tree, { path: "data", type: "tree", sha: "0".repeat(40) }] }));
      };
    };

    test("its files by git's hashes, at the commit that is named", async () => {
      answer();
      expect((await fetch()).files).toBe(3);
      expect(readdirSync(place.folder).sort()).toEqual([LOCK_FILE, "images", "testset.json", "trainset.json"]);
      expect(readFileSync(join(place.folder, "images/synpic1.jpg"))).toEqual(noise);
      expect(place.locked().files["trainset.json"]).toMatchObject({
        listed: true,
        sha256: sha256(files["data/trainset.json"]),
      });
    });

    test("changed on its way, and an answer that is no list", async () => {
      answer({ ...files, "data/testset.json": Buffer.from("[3]") });
      await expect(fetch()).rejects.toThrow(/testset\.json: its hash is/);
      plain.answer = (_, response) => response.end("{}");
      await expect(fetch()).rejects.toThrow("the answer is no whole list of files");
    });
  });

  describe("files that nobody lists", () => {
    const source = (): DataSource => ({
      ...about,
      from: { kind: "urls", base: `${plain.host}/x/`, files: ["a/b.json"] },
    });
    const fetch = (options = {}) => fetchDataSet("own", source(), place.folder, options);
    const file = () => readFileSync(join(place.folder, "a/b.json"));
    const asks = () => plain.requests;

    test("what came first is what has to come again", async () => {
      plain.answer = (_, response) => response.end(noise);
      await fetch();
      expect(file()).toEqual(noise);
      expect(place.locked().files["a/b.json"]).toMatchObject({
        listed: false,
        sha256: sha256(noise),
        size: noise.length,
      });
      rmSync(join(place.folder, "a/b.json"));
      plain.answer = (_, response) => response.end(Buffer.from(noise).fill(1, 5, 6));
      await expect(fetch()).rejects.toThrow("what came is not the file and was removed");
      plain.answer = (_, response) => response.end(noise);
      await fetch();
      expect(file()).toEqual(noise);
    });

    /** Breaks off after 50,000 bytes, `times` times; `tag` is what it says of its file. */
    const breakingOff = (times: number, headers: (ask: number) => Record<string, string>) => {
      let left = times;
      plain.answer = (request, response) => {
        const said = headers(asks().length);
        const same = request.headers["if-range"] === (said.etag ?? said["last-modified"]);
        const from = same ? Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0) : 0;
        const length = noise.length - from;
        const range = { "content-range": `bytes ${from}-${noise.length - 1}/${noise.length}` };
        response.writeHead(from > 0 ? 206 : 200, { ...said, "content-length": length, ...(from > 0 && range) });
        if (left-- <= 0) return void response.end(noise.subarray(from));
        response.write(noise.subarray(from, from + 50_000), () => setTimeout(() => response.destroy(), 50));
      };
    };

    test.each([
      ["its tag", { etag: '"one"' }],
      ["the time of its last change", { "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT" }],
    ])("a transfer goes on where the file is the same by %s", async (_, headers) => {
      breakingOff(2, () => headers as Record<string, string>);
      await fetch();
      expect(file()).toEqual(noise);
      expect(asks()).toHaveLength(3);
      expect(asks()[1]).toMatch(/^\/x\/a\/b\.json bytes=\d+- /);
      expect(asks()[1]).toContain(Object.values(headers)[0]);
      expect(readdirSync(join(place.folder, "a"))).toEqual(["b.json"]);
    });

    test("begins again where it has changed meanwhile, and where nothing says that it has not", async () => {
      breakingOff(1, (ask) => ({ etag: `"${ask}"` }));
      await fetch();
      expect(file()).toEqual(noise);
      rmSync(place.folder, { recursive: true });
      breakingOff(1, () => ({ etag: 'W/"weak"' }));
      await fetch();
      expect(file()).toEqual(noise);
      expect(asks().at(-1)).toBe("/x/a/b.json");
    });

    test("a length that is never reached ends it; one that the server does not say does not", async () => {
      plain.answer = (_, response) => {
        response.writeHead(200, { "content-length": noise.length + 100, etag: '"x"' });
        response.write(noise.subarray(0, 10), () => setTimeout(() => response.destroy(), 20));
      };
      await expect(fetch()).rejects.toThrow(/the download broke off after 10 of 200100 bytes|gives bytes from/);
      rmSync(place.folder, { recursive: true });
      plain.answer = (_, response) => {
        response.write(noise.subarray(0, 100_000));
        response.end(noise.subarray(100_000));
      };
      await fetch();
      expect(file()).toEqual(noise);
    });

    test("a redirect is followed; one in circles, a page and a missing file are told", async () => {
      plain.answer = ({ url }, response) => {
        if (url === "/elsewhere") return void response.end(noise);
        response.writeHead(302, { location: "/elsewhere" });
        response.end();
      };
      await fetch();
      expect(file()).toEqual(noise);
      rmSync(place.folder, { recursive: true });
      plain.answer = ({ url }, response) => {
        response.writeHead(302, { location: `${url}1` });
        response.end();
      };
      await expect(fetch()).rejects.toThrow("the host sends in circles, from one address to the next");
      plain.answer = (_, response) => {
        response.writeHead(200, { "content-type": "text/html" });
        response.end("<html>");
      };
      await expect(fetch()).rejects.toThrow("the answer is an HTML page, not the file");
      plain.answer = (_, response) => {
        response.writeHead(404);
        response.end();
      };
      await expect(fetch()).rejects.toThrow("(404)");
    });

    test("a file that is there without anything that says whose it is", async () => {
      plain.answer = (_, response) => response.end(noise);
      await fetch();
      rmSync(join(place.folder, LOCK_FILE));
      await expect(fetch()).rejects.toThrow("nothing says whether it is that of the data set");
    });

    test("stopped, it keeps what has come", async () => {
      const stop = new AbortController();
      plain.answer = (_, response) => {
        response.writeHead(200, { "content-length": noise.length, etag: '"one"' });
        response.write(noise.subarray(0, 50_000));
      };
      const work = fetch({ signal: stop.signal, onProgress: (loaded: number) => loaded > 0 && stop.abort() });
      const error = await work.catch((reason: unknown) => reason);
      expect(error).toBe(stop.signal.reason);
      breakingOff(0, () => ({ etag: '"one"' }));
      await fetch();
      expect(asks().at(-1)).toMatch(/bytes=\d+- "one"$/);
      expect(file()).toEqual(noise);
    });
  });
});
