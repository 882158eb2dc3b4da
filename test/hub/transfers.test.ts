import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { locked } from "../../apps/hub/lock.js";
import { findModel } from "../../apps/hub/model.js";
import { breaking, ranged, small } from "./serve.js";
import { config, HubAndCache, NAME, weights } from "./support.js";

const hub = new HubAndCache();
const { fetched, weightsRequests, part } = hub;

describe("transfers", () => {
  test("that break off go on where they were", async () => {
    hub.fake.give = breaking(2, 30_000);
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
    hub.fake.give = (_, response, bytes) => {
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

  const lock = () => join(hub.scratch, "cache/JsST/Med-MoE", hub.fake.commit, "stage3/model.safetensors.lock");
  /** A lock that was touched last some seconds ago. */
  const heldBy = (holder: object, seconds = 0) => {
    mkdirSync(dirname(lock()), { recursive: true });
    writeFileSync(lock(), JSON.stringify({ host: hostname(), id: "x", ...holder }));
    touch(seconds);
  };
  const touch = (seconds = 0) => utimesSync(lock(), Date.now() / 1000 - seconds, Date.now() / 1000 - seconds);

  test("the lock of a process that died a while ago is taken over at once, and what it had is gone on with", async () => {
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    heldBy({ pid }, 11);
    writeFileSync(part(), weights.subarray(0, 40_000));
    let waits = 0;
    await locked(lock(), { onWait: () => void waits++ }, async () => {});
    expect(waits).toBe(0);
    heldBy({ pid }, 11);
    expect(readFileSync(join(await fetched(), "model.safetensors"))).toEqual(weights);
    expect(weightsRequests()).toEqual([expect.stringContaining("bytes=40000-")]);
    expect(existsSync(lock())).toBe(false);
    // In a container the process that died may have had this one's number.
    rmSync(join(dirname(lock()), "model.safetensors"));
    heldBy({ pid: process.pid }, 11);
    expect(existsSync(join(await fetched(), "model.safetensors"))).toBe(true);
  });

  test("many find the lock of a process that died: one of them fetches", async () => {
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    heldBy({ pid }, 11);
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

  test.each([
    ["has a number that is not here", () => spawnSync(process.execPath, ["-e", ""]).pid],
    ["has the number of this one", () => process.pid],
  ])("a lock that is touched is of a process that lives, in another container where it %s", async (_, pid) => {
    heldBy({ pid: pid() }, 8);
    const beat = setInterval(touch, 500);
    const onWait = (isLive: boolean) => {
      if (isLive) throw new Error("it lives");
    };
    try {
      await expect(locked(lock(), { onWait }, async () => {})).rejects.toThrow("it lives");
    } finally {
      clearInterval(beat);
    }
  });

  test("a holder that computes without a pause touches its lock", async () => {
    mkdirSync(dirname(lock()), { recursive: true });
    await locked(lock(), {}, async () => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 7_000);
      expect(Date.now() - statSync(lock()).mtimeMs).toBeLessThan(5_000);
    });
    expect(existsSync(lock())).toBe(false);
  }, 20_000);

  test("the lock of a process that died, whose number another has, is taken over when nobody touches it", async () => {
    heldBy({ pid: process.ppid });
    const lives: boolean[] = [];
    await locked(lock(), { onWait: (isLive) => void lives.push(isLive) }, async () => {});
    expect(lives).not.toContain(true);
  }, 120_000);

  test("that never get on are given up, and go on with the next start", async () => {
    let broken = true;
    const once = breaking(1, 30_000);
    hub.fake.give = (request, response, bytes) => {
      if (bytes === config || !broken) return ranged(request, response, bytes);
      if (request.headers.range === undefined) return once(request, response, bytes);
      response.destroy();
    };
    hub.fake.first = ({ headers, url }, response) => {
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
    hub.fake.requests = [];
    const folder = await fetched();
    expect(weightsRequests()).toEqual([expect.stringContaining(`bytes=${have}-`)]);
    expect(readFileSync(join(folder, "model.safetensors"))).toEqual(weights);
    expect(existsSync(part())).toBe(false);
  });

  test("of a server without ranges begin anew", async () => {
    let left = 1;
    hub.fake.give = (request, response, bytes) => {
      if (bytes === weights && left-- > 0) return breaking(1, 30_000)(request, response, bytes);
      response.end(bytes);
    };
    expect(readFileSync(join(await fetched(), "model.safetensors"))).toEqual(weights);
  });

  test.each([
    ["a large file", "stage3/model.safetensors", weights, /its hash is [0-9a-f]{64}, the hub lists [0-9a-f]{64}/],
    ["a small one", "stage3/config.json", config, /its hash is [0-9a-f]{40}, the hub lists [0-9a-f]{40}/],
  ])("%s with another hash is refused and removed", async (_, path, bytes, message) => {
    hub.fake.files[path] = Buffer.from(bytes.map((byte, i) => (i === 5 ? byte ^ 1 : byte)));
    await expect(fetched()).rejects.toThrow(message);
    const target = join(hub.scratch, "cache/JsST/Med-MoE", hub.fake.commit, path);
    expect([existsSync(target), existsSync(`${target}.part`)]).toEqual([false, false]);
  });

  test("more bytes than listed are refused", async () => {
    hub.fake.files["stage3/model.safetensors"] = Buffer.concat([weights, config]);
    await expect(fetched()).rejects.toThrow("more than the 100000 bytes that the hub lists");
  });

  test("an abort ends them, and what has come stays", async () => {
    const controller = new AbortController();
    hub.fake.give = (_, response, bytes) => {
      response.write(bytes.subarray(0, 20_000), () => setTimeout(() => controller.abort(new Error("stopped")), 50));
    };
    hub.fake.listed = hub.fake.listed.filter(({ path }) => !path.endsWith("config.json"));
    hub.fake.listed.unshift(small("stage3/config.json", Buffer.alloc(0)));
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
    hub.fake.first = ({ url }, response) => {
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
    hub.fake.first = (_, response) => {
      response.end(body);
      return true;
    };
    await expect(fetched()).rejects.toThrow(message);
  });

  test("no hub at all", async () => {
    await expect(findModel(NAME, {}, { ...hub.env, HF_ENDPOINT: "http://127.0.0.1:1" })).rejects.toThrow(
      "it cannot be reached. Check the network, HF_ENDPOINT and proxies, or work with what is there already (--offline)",
    );
  });
});
