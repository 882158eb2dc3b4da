import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fetchDataSet } from "../../apps/data/fetch.js";
import type { Hosts } from "../../apps/data/listing.js";
import { LOCK_FILE } from "../../apps/data/lock-file.js";
import { type DataSource, sourceNames, sources } from "../../apps/data/sources.js";
import { unzip } from "../../apps/data/unzip.js";
import { loadTable } from "../../models/data/table.js";
import { breaking, FakeHub } from "./serve.js";

let scratch: string;
let folder: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "consilium-fetch-"));
  folder = join(scratch, "data");
});
afterEach(() => rmSync(scratch, { recursive: true }));

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const gitHash = (bytes: Buffer) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
const text = (value: string) => new Uint8Array(Buffer.from(value));
const locked = () => JSON.parse(readFileSync(join(folder, LOCK_FILE), "utf8"));
const noise = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, i) => (i * i * 31) % 251));

describe("a data set of a hub", () => {
  let hub: FakeHub;
  let hosts: Hosts;
  const images = { "imgs/xmlab1/source.jpg": text("one"), "imgs/xmlab2/source.jpg": new Uint8Array(noise) };
  beforeEach(async () => {
    hub = await FakeHub.open("BoKelvin/SLAKE");
    for (const name of ["train", "validate", "test"]) hub.add(`${name}.json`, Buffer.from(`[{"name": "${name}"}]`));
    hub.add("imgs.zip", Buffer.from(zipSync({ "imgs/xmlab1/": {}, ...images }, { level: 0 })));
    hub.add("README.md", Buffer.from("no data"));
    hosts = { hub: hub.host.replace(/\/$/, ""), githubApi: "http://none", githubFiles: "http://none" };
  });
  afterEach(() => hub.close());
  const fetch = (options = {}) => fetchDataSet("slake", sources.slake, folder, { hosts, ...options });

  test("is fetched, checked and unpacked; another time all is there, and nothing is asked for but the list", async () => {
    const progress: (number | null)[][] = [];
    const { files, lock } = await fetch({ onProgress: (...heard: (number | null)[]) => progress.push(heard) });
    expect(files).toBe(4);
    expect(readdirSync(folder).sort()).toEqual([LOCK_FILE, "imgs", "test.json", "train.json", "validate.json"]);
    for (const [name, bytes] of Object.entries(images))
      expect(new Uint8Array(readFileSync(join(folder, name)))).toEqual(bytes);
    expect(lock).toMatchObject({ source: "slake", licence: "CC BY 4.0", commit: hub.commit });
    expect(locked().files["imgs.zip"]).toMatchObject({
      listed: true,
      unpacked: 2,
      sha256: sha256(hub.files["imgs.zip"]),
    });
    const total = progress.at(-1)?.[1];
    expect(progress.at(-1)).toEqual([total, total]);

    hub.requests = [];
    expect((await fetch()).files).toBe(0);
    expect(hub.requests.filter((request) => request.includes("/resolve/"))).toEqual([]);
    // What main is now does not matter: the commit is that of the first time.
    expect(hub.requests.filter((request) => request.includes("/revision/"))).toEqual([]);
  });

  test("goes on where it broke off, also after it was given up", async () => {
    hub.give = breaking(2, 30_000);
    await fetch();
    expect(hub.requests.filter((request) => request.includes("imgs.zip bytes="))).not.toEqual([]);
    rmSync(folder, { recursive: true });
    hub.give = (_, response) => response.destroy();
    await expect(fetch()).rejects.toThrow(/the download broke off after 0 of \d+ bytes|cannot be reached/);
    hub.give = breaking(0, 0);
    expect((await fetch()).files).toBe(4);
  });

  test("content that is not what is listed is removed; a file that was changed here is refused, and one of another", async () => {
    hub.files["train.json"] = Buffer.from('[{"name": "tra1n"}]');
    await expect(fetch()).rejects.toThrow(
      /train\.json: its hash is [0-9a-f]{40}, the host lists [0-9a-f]{40}: what came is not the file/,
    );
    expect(existsSync(join(folder, "train.json"))).toBe(false);
    hub.files["train.json"] = Buffer.from('[{"name": "train"}]');
    await fetch();
    writeFileSync(join(folder, "test.json"), "changed");
    await expect(fetch()).rejects.toThrow(
      /test\.json: it has changed since it was fetched \(SHA-256 .*Remove it to fetch it again/,
    );
    rmSync(join(folder, "test.json"));
    expect((await fetch()).files).toBe(1);
    await expect(fetchDataSet("pathvqa", sources.pathvqa, folder, { hosts })).rejects.toThrow("it holds slake already");
    rmSync(join(folder, LOCK_FILE));
    writeFileSync(join(folder, "test.json"), "changed");
    await expect(fetch()).rejects.toThrow("it is there, and is not that of the data set");
  });

  test("a lock that is damaged, a repository without the files", async () => {
    await fetch();
    writeFileSync(join(folder, LOCK_FILE), "{");
    await expect(fetch()).rejects.toThrow(`${LOCK_FILE}: it is damaged`);
    hub.listed = hub.listed.slice(-1);
    rmSync(join(folder, LOCK_FILE));
    await expect(fetch()).rejects.toThrow("none of the files of the data set is there");
  });

  test("tables of images: each image once, rows as a table that trains", async () => {
    const [name] = readdirSync("test/fixtures/parquet").filter((name) => name.endsWith(".parquet"));
    const other = await FakeHub.open("flaviagiammarino/path-vqa");
    other.add(`data/${name}`, readFileSync(join("test/fixtures/parquet", name)));
    try {
      const from = { ...hosts, hub: other.host.replace(/\/$/, "") };
      const { lock } = await fetchDataSet("pathvqa", sources.pathvqa, folder, { hosts: from });
      expect(lock.files[name].unpacked).toBe(3);
      expect(readdirSync(folder).sort()).toEqual([LOCK_FILE, "images", "train.jsonl"]);
      expect(readdirSync(join(folder, "images"))).toHaveLength(2);
      const { rows } = await loadTable(join(folder, "train.jsonl"));
      expect(rows.map(({ question, answer, qid }) => [question, answer, qid])).toEqual([
        ["Is it dark?", "yes", "train-00000-of-00001-0a1b-0"],
        ["is it därk?", "no", "train-00000-of-00001-0a1b-1"],
        ["what is shown?", "a dark square", "train-00000-of-00001-0a1b-2"],
      ]);
      expect(rows[0].image).toBe(rows[2].image);
      expect((await fetchDataSet("pathvqa", sources.pathvqa, folder, { hosts: from })).files).toBe(0);
      expect(existsSync(join(folder, "train.jsonl"))).toBe(true);
    } finally {
      await other.close();
    }
  });
});

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
      return fetchDataSet("vqa-rad", sources["vqa-rad"], folder, { hosts });
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
      expect(readdirSync(folder).sort()).toEqual([LOCK_FILE, "images", "testset.json", "trainset.json"]);
      expect(readFileSync(join(folder, "images/synpic1.jpg"))).toEqual(noise);
      expect(locked().files["trainset.json"]).toMatchObject({
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
    const fetch = (options = {}) => fetchDataSet("own", source(), folder, options);
    const file = () => readFileSync(join(folder, "a/b.json"));
    const asks = () => plain.requests;

    test("what came first is what has to come again", async () => {
      plain.answer = (_, response) => response.end(noise);
      await fetch();
      expect(file()).toEqual(noise);
      expect(locked().files["a/b.json"]).toMatchObject({ listed: false, sha256: sha256(noise), size: noise.length });
      rmSync(join(folder, "a/b.json"));
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
      expect(readdirSync(join(folder, "a"))).toEqual(["b.json"]);
    });

    test("begins again where it has changed meanwhile, and where nothing says that it has not", async () => {
      breakingOff(1, (ask) => ({ etag: `"${ask}"` }));
      await fetch();
      expect(file()).toEqual(noise);
      rmSync(folder, { recursive: true });
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
      rmSync(folder, { recursive: true });
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
      rmSync(folder, { recursive: true });
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
      rmSync(join(folder, LOCK_FILE));
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

describe("archives", () => {
  const archive = (name: string, bytes: Uint8Array) => {
    writeFileSync(join(scratch, name), bytes);
    return join(scratch, name);
  };

  test.each(["../out.txt", "/out.txt", "a/../../out.txt", "a\\..\\out.txt"])(
    "%s would leave the folder",
    async (name) => {
      const file = archive("a.zip", zipSync({ "ok.txt": text("ok"), [name]: text("evil") }));
      await expect(unzip(file, folder)).rejects.toThrow("which would leave its folder: nothing of it is taken");
      expect(existsSync(join(scratch, "out.txt"))).toBe(false);
    },
  );

  test("one that grows beyond reason", async () => {
    const file = archive("bomb.zip", zipSync({ zeros: new Uint8Array(80e6) }, { level: 9 }));
    await expect(unzip(file, folder)).rejects.toThrow("it is no archive of images");
    expect(existsSync(join(folder, "zeros"))).toBe(false);
  });

  test("cut short, empty, none at all", async () => {
    const whole = zipSync({ a: new Uint8Array(noise), b: new Uint8Array(noise) });
    for (const bytes of [whole.subarray(0, whole.length / 2), new Uint8Array(0), text("no archive at all")])
      await expect(unzip(archive("cut.zip", bytes), folder)).rejects.toThrow("it is no sound zip archive");
  });
});

test("every source has its licence and where it is told", () => {
  expect(sourceNames).toEqual(["vqa-rad", "slake", "pathvqa", "llava-med"]);
  for (const { licence, licenceUrl, paper } of Object.values(sources)) {
    expect(licence).not.toBe("");
    expect(paper).not.toBe("");
    expect(licenceUrl).toMatch(/^https:/);
  }
});
