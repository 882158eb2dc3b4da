import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { zipSync } from "fflate";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { platform } from "#platform";
import { fetchDataSet } from "../../apps/data/fetch.js";
import type { Hosts } from "../../apps/data/listing.js";
import { LOCK_FILE } from "../../apps/data/lock-file.js";
import { sourceNames, sources } from "../../apps/data/sources.js";
import { loadTable } from "../../models/data/table.js";
import { dataSetFolder, noise, sha256, text } from "./data-set-support.js";
import { breaking, FakeHub } from "./serve.js";

const place = dataSetFolder();

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
  const fetch = (options = {}) => fetchDataSet("slake", sources.slake, place.folder, { hosts, ...options });

  test("is fetched, checked and unpacked; another time all is there, and nothing is asked for but the list", async () => {
    const progress: (number | null)[][] = [];
    const { files, lock } = await fetch({ onProgress: (...heard: (number | null)[]) => progress.push(heard) });
    expect(files).toBe(4);
    expect(readdirSync(place.folder).sort()).toEqual([LOCK_FILE, "imgs", "test.json", "train.json", "validate.json"]);
    for (const [name, bytes] of Object.entries(images))
      expect(new Uint8Array(readFileSync(join(place.folder, name)))).toEqual(bytes);
    expect(lock).toMatchObject({ source: "slake", licence: "CC BY 4.0", commit: hub.commit });
    expect(place.locked().files["imgs.zip"]).toMatchObject({
      listed: true,
      unpacked: { "imgs/xmlab1/source.jpg": 3, "imgs/xmlab2/source.jpg": noise.length },
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

  test.each([
    ["gone", () => rmSync(join(place.folder, "imgs/xmlab1/source.jpg"))],
    ["cut short", () => writeFileSync(join(place.folder, "imgs/xmlab2/source.jpg"), "one")],
  ])("the archive of files that are %s comes again", async (_, lose) => {
    await fetch();
    const before = place.locked();
    lose();
    hub.requests = [];
    expect((await fetch()).files).toBe(1);
    expect(hub.requests.filter((request) => request.includes("/resolve/"))).toEqual([
      expect.stringContaining("imgs.zip"),
    ]);
    for (const [name, bytes] of Object.entries(images))
      expect(new Uint8Array(readFileSync(join(place.folder, name)))).toEqual(bytes);
    expect(place.locked()).toEqual(before);
    expect(existsSync(join(place.folder, "imgs.zip"))).toBe(false);
  });

  test("a lock that counts what was unpacked, instead of naming it, is damaged", async () => {
    await fetch();
    const lock = place.locked();
    lock.files["imgs.zip"].unpacked = 2;
    writeFileSync(join(place.folder, LOCK_FILE), JSON.stringify(lock));
    await expect(fetch()).rejects.toThrow(/consilium-data\.json: it is damaged\. Remove it/);
  });

  test("what came is in the lock from then on, also where writing it takes its time", async () => {
    const { writeFile } = platform;
    const delays = [400, 200, 100];
    const kept: number[] = [];
    vi.spyOn(platform, "writeFile").mockImplementation(async (path, chunks) => {
      await sleep(delays.shift() ?? 0);
      await writeFile(path, chunks);
      kept.push(Object.keys(place.locked().files).length);
    });
    try {
      await fetch();
    } finally {
      vi.restoreAllMocks();
    }
    expect(kept).toEqual([...kept].sort());
    expect(kept.at(-1)).toBe(4);
  });

  test("two at once: one fetches and unpacks, the other waits for it and has it", async () => {
    const notes: string[] = [];
    const onNote = (note: string) => notes.push(note);
    const both = await Promise.all([fetch({ onNote }), fetch({ onNote })]);
    expect(both.map(({ files }) => files).sort()).toEqual([0, 4]);
    expect(notes.sort()).toEqual([
      `another process fetches into ${place.folder}: waiting for it`,
      "unpacking imgs.zip",
    ]);
    expect(hub.requests.filter((request) => request.includes("imgs.zip"))).toHaveLength(1);
    expect(readdirSync(place.folder).sort()).toEqual([LOCK_FILE, "imgs", "test.json", "train.json", "validate.json"]);
  });

  test("goes on where it broke off, also after it was given up", async () => {
    hub.give = breaking(2, 30_000);
    await fetch();
    expect(hub.requests.filter((request) => request.includes("imgs.zip bytes="))).not.toEqual([]);
    rmSync(place.folder, { recursive: true });
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
    expect(existsSync(join(place.folder, "train.json"))).toBe(false);
    hub.files["train.json"] = Buffer.from('[{"name": "train"}]');
    await fetch();
    writeFileSync(join(place.folder, "test.json"), "changed");
    await expect(fetch()).rejects.toThrow(
      /test\.json: it has changed since it was fetched \(SHA-256 .*Remove it to fetch it again/,
    );
    rmSync(join(place.folder, "test.json"));
    expect((await fetch()).files).toBe(1);
    await expect(fetchDataSet("pathvqa", sources.pathvqa, place.folder, { hosts })).rejects.toThrow(
      "it holds slake already",
    );
    rmSync(join(place.folder, LOCK_FILE));
    writeFileSync(join(place.folder, "test.json"), "changed");
    await expect(fetch()).rejects.toThrow("it is there, and is not that of the data set");
  });

  test("a lock that is damaged, a repository without the files", async () => {
    await fetch();
    writeFileSync(join(place.folder, LOCK_FILE), "{");
    await expect(fetch()).rejects.toThrow(`${LOCK_FILE}: it is damaged`);
    hub.listed = hub.listed.slice(-1);
    rmSync(join(place.folder, LOCK_FILE));
    await expect(fetch()).rejects.toThrow("none of the files of the data set is there");
  });

  describe("tables of images", () => {
    const fixture = "train-00000-of-00001-0a1b.parquet";
    /** Two shards of one table. */
    const shards = [fixture, "train-00001-of-00001-0a1b.parquet"];
    let other: FakeHub;
    beforeEach(async () => {
      other = await FakeHub.open("flaviagiammarino/path-vqa");
      other.add(`data/${fixture}`, readFileSync(join("test/fixtures/parquet", fixture)));
    });
    afterEach(() => other.close());
    const fetchTables = () =>
      fetchDataSet("pathvqa", sources.pathvqa, place.folder, {
        hosts: { ...hosts, hub: other.host.replace(/\/$/, "") },
      });

    test("become each image once, and rows as a table that trains", async () => {
      const { lock } = await fetchTables();
      expect(readdirSync(place.folder).sort()).toEqual([LOCK_FILE, "images", "train.jsonl"]);
      const images = readdirSync(join(place.folder, "images"));
      expect(images).toHaveLength(2);
      const names = ["train.jsonl", ...images.map((name) => `images/${name}`)];
      const bytes = names.map((name) => [name, readFileSync(join(place.folder, name)).length]);
      expect(lock.files[fixture].unpacked).toEqual(Object.fromEntries(bytes));
      const { rows } = await loadTable(join(place.folder, "train.jsonl"));
      expect(rows.map(({ question, answer, qid }) => [question, answer, qid])).toEqual([
        ["Is it dark?", "yes", "train-00000-of-00001-0a1b-0"],
        ["is it därk?", "no", "train-00000-of-00001-0a1b-1"],
        ["what is shown?", "a dark square", "train-00000-of-00001-0a1b-2"],
      ]);
      expect(rows[0].image).toBe(rows[2].image);
      expect((await fetchTables()).files).toBe(0);
      expect(existsSync(join(place.folder, "train.jsonl"))).toBe(true);
    });

    test.each([
      ["table", () => "train.jsonl"],
      ["image", () => `images/${readdirSync(join(place.folder, "images"))[0]}`],
    ])("come again, all shards of them, where the %s is gone", async (_, lost) => {
      other.add(`data/${shards[1]}`, readFileSync(join("test/fixtures/parquet", fixture)));
      await fetchTables();
      const before = place.locked();
      const table = readFileSync(join(place.folder, "train.jsonl"), "utf8");
      expect(table.trim().split("\n")).toHaveLength(6);
      rmSync(join(place.folder, lost()));
      expect((await fetchTables()).files).toBe(2);
      expect(readFileSync(join(place.folder, "train.jsonl"), "utf8")).toBe(table);
      expect(readdirSync(join(place.folder, "images"))).toHaveLength(2);
      expect(place.locked()).toEqual(before);
      expect((await fetchTables()).files).toBe(0);
    });
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
