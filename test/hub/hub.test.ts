import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cacheFolder, modelPath } from "../../apps/hub/model.js";
import { isSafePath, parseHubName } from "../../apps/hub/name.js";
import { wanted } from "../../apps/hub/wanted.js";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const weights = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) % 251));
const config = Buffer.from('{"model_type": "moe_llava_phi"}');

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const gitHash = (bytes: Buffer) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
const small = (path: string, bytes: Buffer) => ({ type: "file", path, size: bytes.length, oid: gitHash(bytes) });
const large = (path: string, bytes: Buffer) => ({
  type: "file",
  path,
  size: bytes.length,
  oid: "f".repeat(40),
  lfs: { oid: sha256(bytes), size: bytes.length },
});

type Handler = (request: IncomingMessage, response: ServerResponse, bytes: Buffer) => void;

/** A hub with one model: what it lists, what it gives, and how it gives it. */
interface Fake {
  listed: object[];
  files: Record<string, Buffer>;
  give: Handler;
  /** Before anything else; true where it answered. */
  first: (request: IncomingMessage, response: ServerResponse) => boolean;
}

let fake: Fake;
let server: Server;
let env: Record<string, string>;
let requests: string[];
let scratch: string;

/** Whole, or from where a range begins. */
const ranged: Handler = ({ headers }, response, bytes) => {
  const from = /bytes=(\d+)-$/.exec(headers.range ?? "")?.[1];
  if (from === undefined) return void response.end(bytes);
  response.writeHead(206, { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` });
  response.end(bytes.subarray(Number(from)));
};

/** The first `times` transfers break off after `length` bytes of what was asked for. */
function breaking(times: number, length: number): Handler {
  let left = times;
  return (request, response, bytes) => {
    if (bytes.length < length || left-- <= 0) return ranged(request, response, bytes);
    const from = Number(/bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const range = { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    response.writeHead(from > 0 ? 206 : 200, { "content-length": bytes.length - from, ...(from > 0 && range) });
    response.write(bytes.subarray(from, from + length), () => setTimeout(() => response.destroy(), 100));
  };
}

beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), "consilium-hub-"));
  requests = [];
  const files = { "stage3/config.json": config, "stage3/model.safetensors": weights, "router.pth": weights };
  fake = {
    files,
    listed: [
      small("stage3/config.json", config),
      large("stage3/model.safetensors", weights),
      large("stage3/pytorch_model.bin", weights),
      small("stage3/training_args.bin", config),
      large("router.pth", weights),
    ],
    give: ranged,
    first: () => false,
  };
  server = createServer((request, response) => {
    const url = request.url as string;
    requests.push(`${url}${request.headers.range ? ` ${request.headers.range}` : ""}`);
    if (fake.first(request, response)) return;
    const json = (value: unknown) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(value));
    };
    if (url.startsWith("/api/models/JsST/Med-MoE/revision/")) return json({ sha: COMMIT });
    const [, folder] = /^\/api\/models\/JsST\/Med-MoE\/tree\/[0-9a-f]+\/?(.*)\?recursive=true$/.exec(url) ?? [];
    if (folder !== undefined)
      return json(fake.listed.filter((file) => (file as { path: string }).path.startsWith(folder)));
    const [, path] = new RegExp(`^/JsST/Med-MoE/resolve/${COMMIT}/(.*)$`).exec(url) ?? [];
    const bytes = path === undefined ? undefined : fake.files[decodeURIComponent(path)];
    if (bytes) return fake.give(request, response, bytes);
    response.writeHead(404);
    response.end("Entry not found");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  env = { HF_ENDPOINT: `http://127.0.0.1:${port}/`, CONSILIUM_CACHE: join(scratch, "cache") };
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(scratch, { recursive: true });
});

const NAME = "JsST/Med-MoE/stage3";
const fetched = (options = {}) => modelPath(NAME, options, env);
const weightsRequests = () =>
  requests.filter((request) => request.includes("/resolve/") && request.includes("safetensors"));
const part = () => join(scratch, "cache/JsST/Med-MoE", COMMIT, "stage3/model.safetensors.part");

describe("a folder of a hub", () => {
  test("is fetched once, checked and kept; weights once, nothing that a trainer left", async () => {
    const progress: number[][] = [];
    const folder = await fetched({ onProgress: (loaded: number, total: number) => progress.push([loaded, total]) });
    expect(folder).toBe(join(scratch, "cache/JsST/Med-MoE", COMMIT, "stage3"));
    expect(readFileSync(join(folder, "config.json"))).toEqual(config);
    expect(readFileSync(join(folder, "model.safetensors"))).toEqual(weights);
    expect(existsSync(join(folder, "pytorch_model.bin"))).toBe(false);
    expect(existsSync(join(folder, "training_args.bin"))).toBe(false);
    const total = config.length + weights.length;
    expect(progress.at(-1)).toEqual([total, total]);
    expect(progress.map(([loaded]) => loaded)).toEqual(progress.map(([loaded]) => loaded).toSorted((a, b) => a - b));

    requests = [];
    expect(await fetched()).toBe(folder);
    expect(requests.filter((request) => request.includes("/resolve/"))).toEqual([]);
  });

  test("a single file, as a router is", async () => {
    const path = await modelPath("JsST/Med-MoE/router.pth@main", {}, env);
    expect(readFileSync(path)).toEqual(weights);
    expect(existsSync(join(path, "../stage3"))).toBe(false);
  });

  test("what is there as a path is taken as it is", async () => {
    writeFileSync(join(scratch, "router.pth"), "");
    expect(await modelPath(scratch, {}, env)).toBe(scratch);
    expect(await modelPath(join(scratch, "router.pth"), {}, env)).toBe(join(scratch, "router.pth"));
    expect(requests).toEqual([]);
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

  test("the token goes along", async () => {
    const tokens = new Set<string | undefined>();
    fake.first = ({ headers }) => {
      tokens.add(headers.authorization);
      return false;
    };
    await modelPath(NAME, {}, { ...env, HF_TOKEN: "secret" });
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
    requests = [];
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
    const target = join(scratch, "cache/JsST/Med-MoE", COMMIT, path);
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
    fake.listed = fake.listed.filter((file) => !(file as { path: string }).path.endsWith("config.json"));
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
    await expect(modelPath(NAME, {}, { ...env, HF_ENDPOINT: "http://127.0.0.1:1" })).rejects.toThrow(
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
      expect(requests.filter((request) => request.includes("/resolve/"))).toEqual([]);
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

  test("neither a path nor a name", () =>
    expect(modelPath("nothing-there", {}, env)).rejects.toThrow(
      "there is no such folder or file, and it is no name on a hub",
    ));

  test("a folder without a model names those that have one; a file that is not listed", async () => {
    await expect(modelPath("JsST/Med-MoE", {}, env)).rejects.toThrow(
      "it holds no model (no config.json). Models are in JsST/Med-MoE/stage3",
    );
    await expect(modelPath("JsST/Med-MoE/phi_router.pth", {}, env)).rejects.toThrow("the hub lists no such file");
  });
});

describe("offline", () => {
  test("takes the cache and asks nobody", async () => {
    const folder = await fetched();
    requests = [];
    expect(await fetched({ offline: true })).toBe(folder);
    expect(await modelPath(`${NAME}@${COMMIT}`, {}, { ...env, HF_HUB_OFFLINE: "1" })).toBe(folder);
    expect(requests).toEqual([]);
  });

  test("says what is missing", async () => {
    await expect(fetched({ offline: true })).rejects.toThrow("it is not in the cache");
    const folder = await fetched();
    rmSync(join(folder, "config.json"));
    await expect(fetched({ offline: true })).rejects.toThrow("config.json: it is missing in the cache");
    await expect(modelPath("JsST/Med-MoE/router.pth", { offline: true }, env)).rejects.toThrow(
      "it is not in the cache",
    );
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
