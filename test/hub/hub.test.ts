import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cacheFolder, findModel } from "../../apps/hub/model.js";
import { wanted } from "../../apps/hub/wanted.js";
import { FakeHub, small } from "./serve.js";
import { config, HubAndCache, NAME, weights } from "./support.js";

const hub = new HubAndCache();
const { fetched } = hub;

describe("a folder of a hub", () => {
  test("is fetched once, checked and kept; weights once, nothing that a trainer left", async () => {
    const progress: number[][] = [];
    const folder = await fetched({ onProgress: (loaded: number, total: number) => progress.push([loaded, total]) });
    expect(folder).toBe(join(hub.scratch, "cache/JsST/Med-MoE", hub.fake.commit, "stage3"));
    expect(readFileSync(join(folder, "config.json"))).toEqual(config);
    expect(readFileSync(join(folder, "model.safetensors"))).toEqual(weights);
    expect(existsSync(join(folder, "pytorch_model.bin"))).toBe(false);
    expect(existsSync(join(folder, "training_args.bin"))).toBe(false);
    const total = config.length + weights.length;
    expect(progress.at(-1)).toEqual([total, total]);
    expect(progress.map(([loaded]) => loaded)).toEqual(progress.map(([loaded]) => loaded).toSorted((a, b) => a - b));

    hub.fake.requests = [];
    expect(await fetched()).toBe(folder);
    expect(hub.fake.requests.filter((request) => request.includes("/resolve/"))).toEqual([]);
  });

  test("a tower beside the model comes along", async () => {
    for (const name of ["config.json", "model.safetensors", "notes.txt"]) {
      hub.fake.add(`stage3/vision_tower/${name}`, config);
      hub.fake.listed.push(small(`stage3/other/${name}`, config));
    }
    const folder = await fetched();
    expect(readdirSync(join(folder, "vision_tower")).sort()).toEqual(["config.json", "model.safetensors"]);
    expect(existsSync(join(folder, "other"))).toBe(false);
  });

  test("a single file, as a router is", async () => {
    const { path, name } = await findModel("JsST/Med-MoE/router.pth@main", {}, hub.env);
    expect(name).toBe(`JsST/Med-MoE/router.pth@${hub.fake.commit}`);
    expect(readFileSync(path)).toEqual(weights);
    expect(existsSync(join(path, "../stage3"))).toBe(false);
  });

  test("what is there as a path is taken as it is", async () => {
    writeFileSync(join(hub.scratch, "router.pth"), "");
    for (const path of [hub.scratch, join(hub.scratch, "router.pth")])
      expect(await findModel(path, {}, hub.env)).toEqual({ path, name: path });
    expect(hub.fake.requests).toEqual([]);
  });

  test("a list on several pages", async () => {
    const [one, ...more] = hub.fake.listed;
    hub.fake.first = ({ url }, response) => {
      if (!url?.includes("/tree/")) return false;
      const isFirst = !url.includes("cursor");
      if (isFirst) response.setHeader("link", `<${hub.env.HF_ENDPOINT}api/models/x/tree/y?cursor=z>; rel="next"`);
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
    hub.fake.give = ({ url, headers }, response, bytes) => {
      asked.push(headers.authorization);
      if (!url?.includes("safetensors")) return void response.end(bytes);
      response.writeHead(302, { location: `${storage.host}weights` });
      response.end();
    };
    try {
      const { path } = await findModel(NAME, {}, { ...hub.env, HF_TOKEN: "secret" });
      expect(readFileSync(join(path, "model.safetensors"))).toEqual(weights);
      expect(asked).toEqual(["Bearer secret", "Bearer secret"]);
      expect(seen).toEqual([undefined]);
    } finally {
      await storage.close();
    }
  });

  test("the token goes along", async () => {
    const tokens = new Set<string | undefined>();
    hub.fake.first = ({ headers }) => {
      tokens.add(headers.authorization);
      return false;
    };
    await findModel(NAME, {}, { ...hub.env, HF_TOKEN: "secret" });
    expect(tokens).toEqual(new Set(["Bearer secret"]));
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
