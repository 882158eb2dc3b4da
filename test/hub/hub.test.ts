import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cacheFolder, findModel } from "../../apps/hub/model.js";
import { isSafePath, parseHubName } from "../../apps/hub/name.js";
import { wanted } from "../../apps/hub/wanted.js";
import { breaking, FakeHub, large, ranged, small } from "./serve.js";

const weights = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) % 251));
const config = Buffer.from('{"model_type": "moe_llava_phi"}');

let fake: FakeHub;
let env: Record<string, string>;
let scratch: string;

beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), "consilium-hub-"));
  fake = await FakeHub.open("JsST/Med-MoE");
  fake.add("stage3/config.json", config);
  fake.add("stage3/model.safetensors", weights);
  fake.add("router.pth", weights);
  fake.listed.push(large("stage3/pytorch_model.bin", weights), small("stage3/training_args.bin", config));
  env = { HF_ENDPOINT: fake.host, CONSILIUM_CACHE: join(scratch, "cache") };
});

afterEach(async () => {
  await fake.close();
  rmSync(scratch, { recursive: true });
});

const NAME = "JsST/Med-MoE/stage3";
const fetched = async (options = {}) => (await findModel(NAME, options, env)).path;
const weightsRequests = () =>
  fake.requests.filter((request) => request.includes("/resolve/") && request.includes("safetensors"));
const part = () => join(scratch, "cache/JsST/Med-MoE", fake.commit, "stage3/model.safetensors.part");

describe("a folder of a hub", () => {
  test("is fetched once, checked and kept; weights once, nothing that a trainer left", async () => {
    const progress: number[][] = [];
    const folder = await fetched({ onProgress: (loaded: number, total: number) => progress.push([loaded, total]) });
    expect(folder).toBe(join(scratch, "cache/JsST/Med-MoE", fake.commit, "stage3"));
    expect(readFileSync(join(folder, "config.json"))).toEqual(config);
    expect(readFileSync(join(folder, "model.safetensors"))).toEqual(weights);
    expect(existsSync(join(folder, "pytorch_model.bin"))).toBe(false);
    expect(existsSync(join(folder, "training_args.bin"))).toBe(false);
    const total = config.length + weights.length;
    expect(progress.at(-1)).toEqual([total, total]);
    expect(progress.map(([loaded]) => loaded)).toEqual(progress.map(([loaded]) => loaded).toSorted((a, b) => a - b));

    fake.requests = [];
    expect(await fetched()).toBe(folder);
    expect(fake.requests.filter((request) => request.includes("/resolve/"))).toEqual([]);
  });

  test("a tower beside the model comes along", async () => {
    for (const name of ["config.json", "model.safetensors", "notes.txt"]) {
      fake.add(`stage3/vision_tower/${name}`, config);
      fake.listed.push(small(`stage3/other/${name}`, config));
    }
    const folder = await fetched();
    expect(readdirSync(join(folder, "vision_tower")).sort()).toEqual(["config.json", "model.safetensors"]);
    expect(existsSync(join(folder, "other"))).toBe(false);
  });

  test("a single file, as a router is", async () => {
    const { path, name } = await findModel("JsST/Med-MoE/router.pth@main", {}, env);
    expect(name).toBe(`JsST/Med-MoE/router.pth@${fake.commit}`);
    expect(readFileSync(path)).toEqual(weights);
    expect(existsSync(join(path, "../stage3"))).toBe(false);
  });

  test("what is there as a path is taken as it is", async () => {
    writeFileSync(join(scratch, "router.pth"), "");
    for (const path of [scratch, join(scratch, "router.pth")])
      expect(await findModel(path, {}, env)).toEqual({ path, name: path });
    expect(fake.requests).toEqual([]);
  });

  test("a list on several pages", async () => {
    const [one, ...more] = fake.listed;
    fake.first = ({ url }, response) => {
      if (!url?.includes("/tree/")) return false;
      const isFirst = !url.includes("cursor");
      if (isFirst) response.setHeader("link", `<${env.HF_ENDPOINT}api/models/x/tree/y?cursor=z>; rel="next"`);
      response.end(JSON.stringify(isFirst ? [one] : more));
      return true;
    };
    expect(existsSync(join(await fetched(), "model.safetensors"))).toBe(true);
  });

  test("the token goes along, and not to another origin that the hub sends to", async () => {
    const storage = await FakeHub.open("storage");
    const [asked, seen]: (string | undefined)[][] = [[], []];
    storage.first = ({ headers }, response) => {
      seen.push(headers.authorization);
      response.end(weights);
      return true;
    };
    fake.give = ({ url, headers }, response, bytes) => {
      asked.push(headers.authorization);
      if (!url?.includes("safetensors")) return void response.end(bytes);
      response.writeHead(302, { location: `${storage.host}weights` });
      response.end();
    };
    try {
      const { path } = await findModel(NAME, {}, { ...env, HF_TOKEN: "secret" });
      expect(readFileSync(join(path, "model.safetensors"))).toEqual(weights);
      expect(asked).toEqual(["Bearer secret", "Bearer secret"]);
      expect(seen).toEqual([undefined]);
    } finally {
      await storage.close();
    }
  });

  test("the token goes along", async () => {
    const tokens = new Set<string | undefined>();
    fake.first = ({ headers }) => {
      tokens.add(headers.authorization);
      return false;
    };
    await findModel(NAME, {}, { ...env, HF_TOKEN: "secret" });
    expect(tokens).toEqual(new Set(["Bearer secret"]));
  });
});

describe("transfers", () => {
  test("that break off go on where they were", async () => {
    fake.give = breaking(2, 30_000);
    const folder = await fetched();
    expect(readFileSync(join(folder, "model.safetensors"))).toEqual(weights);
    const ranges = weightsRequests().map((request) => Number(/bytes=(\d+)-/.exec(request)?.[1] ?? 0));
    expect(ranges).toHaveLength(3);
    expect(ranges[0]).toBe(0);
    expect(ranges[1]).toBeGreaterThan(0);
    expect(ranges[2]).toBeGreaterThan(ranges[1]);
  });

  test("two at once: one fetches, the other waits for it and has it", async () => {
    let running = 0;
    let most = 0;
    fake.give = (_, response, bytes) => {
      most = Math.max(most, ++running);
      response.write(bytes.subarray(0, bytes.length / 2), () =>
        setTimeout(() => {
          running--;
          response.end(bytes.subarray(bytes.length / 2));
        }, 300),
      );
    };
    const heard: number[] = [];
    const [one, two] = await Promise.all([fetched(), fetched({ onProgress: (loaded: number) => heard.push(loaded) })]);
    expect(one).toBe(two);
    expect(most).toBe(1);
    expect(weightsRequests()).toHaveLength(1);
    expect(readFileSync(join(one, "model.safetensors"))).toEqual(weights);
    expect(heard.at(-1)).toBe(config.length + weights.length);
    expect(readdirSync(one).sort()).toEqual(["config.json", "model.safetensors"]);
  });

  const lock = () => join(scratch, "cache/JsST/Med-MoE", fake.commit, "stage3/model.safetensors.lock");
  const heldBy = (holder: object) => {
    mkdirSync(dirname(lock()), { recursive: true });
    writeFileSync(lock(), JSON.stringify({ host: hostname(), id: "x", ...holder }));
  };

  test("the lock of a process that died is taken over at once, and what it had is gone on with", async () => {
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    heldBy({ pid });
    writeFileSync(part(), weights.subarray(0, 40_000));
    const started = performance.now();
    expect(readFileSync(join(await fetched(), "model.safetensors"))).toEqual(weights);
    expect(performance.now() - started).toBeLessThan(5000);
    expect(weightsRequests()).toEqual([expect.stringContaining("bytes=40000-")]);
    expect(existsSync(lock())).toBe(false);
    // In a container the process that died may have had this one's number.
    rmSync(join(dirname(lock()), "model.safetensors"));
    heldBy({ pid: process.pid });
    expect(existsSync(join(await fetched(), "model.safetensors"))).toBe(true);
  });

  test("many find the lock of a process that died: one of them fetches", async () => {
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    heldBy({ pid });
    const folders = await Promise.all(Array.from({ length: 8 }, () => fetched()));
    expect(new Set(folders).size).toBe(1);
    expect(weightsRequests()).toHaveLength(1);
    expect(readdirSync(folders[0]).sort()).toEqual(["config.json", "model.safetensors"]);
  });

  test.each([
    ["here", () => ({ pid: process.ppid })],
    ["elsewhere", () => ({ host: "another-machine", pid: 1 })],
  ])("the lock of a process that runs %s is waited for, until an abort", async (_, holder) => {
    heldBy(holder());
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("stopped")), 700);
    await expect(fetched({ signal: controller.signal })).rejects.toThrow("stopped");
    expect([existsSync(lock()), weightsRequests()]).toEqual([true, []]);
  });

  test("that never get on are given up, and go on with the next start", async () => {
    let broken = true;
    const once = breaking(1, 30_000);
    fake.give = (request, response, bytes) => {
      if (bytes === config || !broken) return ranged(request, response, bytes);
      if (request.headers.range === undefined) return once(request, response, bytes);
      response.destroy();
    };
    fake.first = ({ headers, url }, response) => {
      if (!broken || !headers.range || !url?.includes("safetensors")) return false;
      // Headers come, bytes do not.
      response.writeHead(206, {
        "content-range": `${headers.range.replace("=", " ")}99999/100000`,
        "content-length": 5,
      });
      response.flushHeaders();
      setTimeout(() => response.destroy(), 5);
      return true;
    };
    await expect(fetched()).rejects.toThrow(
      /the download broke off after \d+ of 100000 bytes\. Start again to go on from there/,
    );
    const have = statSync(part()).size;
    expect(have).toBeGreaterThan(0);
    broken = false;
    fake.requests = [];
    const folder = await fetched();
    expect(weightsRequests()).toEqual([expect.stringContaining(`bytes=${have}-`)]);
    expect(readFileSync(join(folder, "model.safetensors"))).toEqual(weights);
    expect(existsSync(part())).toBe(false);
  });

  test("of a server without ranges begin anew", async () => {
    let left = 1;
    fake.give = (request, response, bytes) => {
      if (bytes === weights && left-- > 0) return breaking(1, 30_000)(request, response, bytes);
      response.end(bytes);
    };
    expect(readFileSync(join(await fetched(), "model.safetensors"))).toEqual(weights);
  });

  test.each([
    ["a large file", "stage3/model.safetensors", weights, /its hash is [0-9a-f]{64}, the hub lists [0-9a-f]{64}/],
    ["a small one", "stage3/config.json", config, /its hash is [0-9a-f]{40}, the hub lists [0-9a-f]{40}/],
  ])("%s with another hash is refused and removed", async (_, path, bytes, message) => {
    fake.files[path] = Buffer.from(bytes.map((byte, i) => (i === 5 ? byte ^ 1 : byte)));
    await expect(fetched()).rejects.toThrow(message);
    const target = join(scratch, "cache/JsST/Med-MoE", fake.commit, path);
    expect([existsSync(target), existsSync(`${target}.part`)]).toEqual([false, false]);
  });

  test("more bytes than listed are refused", async () => {
    fake.files["stage3/model.safetensors"] = Buffer.concat([weights, config]);
    await expect(fetched()).rejects.toThrow("more than the 100000 bytes that the hub lists");
  });

  test("an abort ends them, and what has come stays", async () => {
    const controller = new AbortController();
    fake.give = (_, response, bytes) => {
      response.write(bytes.subarray(0, 20_000), () => setTimeout(() => controller.abort(new Error("stopped")), 50));
    };
    fake.listed = fake.listed.filter(({ path }) => !path.endsWith("config.json"));
    fake.listed.unshift(small("stage3/config.json", Buffer.alloc(0)));
    await expect(fetched({ signal: controller.signal })).rejects.toThrow("stopped");
    expect(statSync(part()).size).toBe(20_000);
  });
});

describe("answers that are not the file", () => {
  test.each([
    [404, "", "the hub has no such model, revision or file (404)"],
    [401, "", "the hub does not give it out (401)"],
    [403, "", "set HF_TOKEN"],
    [429, "", "the hub asks to wait"],
    [500, "", "the hub answers 500"],
    [200, "<html>", "the answer is an HTML page"],
  ])("%i %s", async (status, body, message) => {
    fake.first = ({ url }, response) => {
      if (!url?.includes("/resolve/")) return false;
      response.writeHead(status, body ? { "content-type": "text/html; charset=utf-8" } : {});
      response.end(body);
      return true;
    };
    await expect(fetched()).rejects.toThrow(message);
  });

  test.each([
    ["no JSON", "nothing", "the answer is no JSON"],
    ["no commit", "{}", "the answer names no commit"],
  ])("%s", async (_, body, message) => {
    fake.first = (_, response) => {
      response.end(body);
      return true;
    };
    await expect(fetched()).rejects.toThrow(message);
  });

  test("no hub at all", async () => {
    await expect(findModel(NAME, {}, { ...env, HF_ENDPOINT: "http://127.0.0.1:1" })).rejects.toThrow(
      "it cannot be reached. Check the network, HF_ENDPOINT and proxies, or work with what is there already (--offline)",
    );
  });
});

describe("names", () => {
  test.each(["../evil.json", "stage3/../../evil", "/etc/passwd", "stage3\\..\\evil", "stage3//x", "C:evil", "a\0b"])(
    "a listing with %j is refused before anything is fetched",
    async (path) => {
      fake.first = ({ url }, response) => {
        if (!url?.includes("/tree/")) return false;
        response.end(JSON.stringify([...fake.listed, small(path, config)]));
        return true;
      };
      await expect(fetched()).rejects.toThrow("would leave its folder: nothing of it is taken");
      expect(fake.requests.filter((request) => request.includes("/resolve/"))).toEqual([]);
    },
  );

  test.each([
    ["JsST/Med-MoE", { model: "JsST/Med-MoE", path: "", revision: "main" }],
    ["JsST/Med-MoE/stage3", { model: "JsST/Med-MoE", path: "stage3", revision: "main" }],
    ["JsST/TinyMed/Stage1@v1.0", { model: "JsST/TinyMed", path: "Stage1", revision: "v1.0" }],
    ["a/b@refs/pr/3", { model: "a/b", path: "", revision: "refs/pr/3" }],
    ["a/b/c/d.pth", { model: "a/b", path: "c/d.pth", revision: "main" }],
    ["model", null],
    ["./a/b", null],
    ["/a/b", null],
    ["a/b/../c", null],
    ["a/b@../../c", null],
    ["a/..", null],
    ["", null],
  ])("%j", (text, expected) => expect(parseHubName(text)).toEqual(expected));

  test("paths that stay below their folder", () => {
    expect(["a", "a/b.c", "a b/ü"].every(isSafePath)).toBe(true);
    expect(["", ".", "..", "a/", "/a", "a//b", "a/../b", "a\\b", "a:b"].some(isSafePath)).toBe(false);
  });

  test("a path that was mistyped asks nobody where its first folder is here", async () => {
    await expect(findModel("test/Med-MoE", {}, env)).rejects.toThrow(
      "test/Med-MoE: there is no such folder or file in test, which is here. Check the path; for the model of a hub, name " +
        "its revision, too: test/Med-MoE@main",
    );
    expect(fake.requests).toEqual([]);
    await expect(findModel("test/Med-MoE@main", {}, env)).rejects.toThrow(
      /^test\/Med-MoE@main: there is no such folder or file, and as a name on a hub: http:.*\(404\)/,
    );
  });

  test("neither a path nor a name", () =>
    expect(findModel("nothing-there", {}, env)).rejects.toThrow(
      "there is no such folder or file, and it is no name on a hub",
    ));

  test("a folder without a model names those that have one; a file that is not listed", async () => {
    await expect(findModel("JsST/Med-MoE", {}, env)).rejects.toThrow(
      "it holds no model (no config.json). Models are in JsST/Med-MoE/stage3",
    );
    await expect(findModel("JsST/Med-MoE/phi_router.pth", {}, env)).rejects.toThrow("the hub lists no such file");
  });
});

describe("offline", () => {
  test("takes the cache and asks nobody", async () => {
    const folder = await fetched();
    fake.requests = [];
    expect(await fetched({ offline: true })).toBe(folder);
    const found = { path: folder, name: `${NAME}@${fake.commit}` };
    expect(await findModel(NAME, {}, { ...env, HF_HUB_OFFLINE: "1" })).toEqual(found);
    // A commit is asked for only where something of it is missing.
    expect(await findModel(`${NAME}@${fake.commit}`, {}, env)).toEqual(found);
    expect(fake.requests).toEqual([]);
  });

  test("says what is missing", async () => {
    await expect(fetched({ offline: true })).rejects.toThrow("of a hub it is not in the cache");
    const folder = await fetched();
    rmSync(join(folder, "config.json"));
    await expect(fetched({ offline: true })).rejects.toThrow("config.json: it is missing in the cache");
    await expect(findModel("JsST/Med-MoE/router.pth", { offline: true }, env)).rejects.toThrow(
      "of a hub it is not in the cache",
    );
  });
});

describe("a cache that was changed", () => {
  const listings = () => readdirSync(join(scratch, "cache/JsST/Med-MoE")).filter((name) => name.endsWith(".json"));
  const listing = () => join(scratch, "cache/JsST/Med-MoE", `${fake.commit}.stage3.json`);

  test.each([
    ["no JSON", "[{"],
    ["no list", "{}"],
    ["a file without a size", JSON.stringify([{ path: "stage3/config.json" }])],
    ["a path that leaves it", JSON.stringify([{ path: "../../config.json", size: 1, hash: { kind: "git", hex: "" } }])],
  ])("its listing: %s", async (_, text) => {
    await fetched();
    writeFileSync(listing(), text);
    await expect(fetched({ offline: true })).rejects.toThrow(
      `${listing()}: it is damaged. Fetch the model again without --offline`,
    );
    // A commit is looked for in the cache first, and fetched where that is damaged.
    expect((await findModel(`${NAME}@${fake.commit}`, {}, env)).name).toBe(`${NAME}@${fake.commit}`);
    await fetched({ offline: true });
  });

  test("which commit main was: what is none counts as not there", async () => {
    await fetched();
    writeFileSync(join(scratch, "cache/JsST/Med-MoE/refs/main"), "../../..");
    await expect(fetched({ offline: true })).rejects.toThrow("of a hub it is not in the cache");
  });

  test("a folder called all is not the whole model", async () => {
    for (const path of ["config.json", "all/config.json"]) fake.add(path, config);
    await findModel("JsST/Med-MoE/all", {}, env);
    await expect(findModel("JsST/Med-MoE", { offline: true }, env)).rejects.toThrow("it is not in the cache");
    await findModel("JsST/Med-MoE", {}, env);
    expect(listings().sort()).toEqual([`${fake.commit}.all.json`, `${fake.commit}.json`]);
  });
});

describe("what is fetched", () => {
  test.each([
    [
      ["model-00001-of-00002.safetensors", "model.safetensors.index.json", "pytorch_model.bin"],
      [0, 1],
    ],
    [
      ["pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json", "tf_model.h5"],
      [0, 1],
    ],
    [
      ["config.json", "mm_projector.bin", "trainer_state.json", "optimizer.pt"],
      [0, 1],
    ],
    [
      ["vocab.json", "merges.txt", "added_tokens.json", "README.md"],
      [0, 1, 2],
    ],
  ])("%j", (names, kept) => expect(wanted(names)).toEqual(kept.map((i) => names[i])));

  test("where it is kept", () => {
    expect(cacheFolder({ CONSILIUM_CACHE: "/c" })).toBe("/c");
    expect(cacheFolder({ XDG_CACHE_HOME: "/x" })).toBe("/x/consilium/hub");
  });
});
