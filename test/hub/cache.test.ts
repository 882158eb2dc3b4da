import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findModel } from "../../apps/hub/model.js";
import { config, HubAndCache, NAME } from "./support.js";

const hub = new HubAndCache();
const { fetched } = hub;

describe("offline", () => {
  test("takes the cache and asks nobody", async () => {
    const folder = await fetched();
    hub.fake.requests = [];
    expect(await fetched({ offline: true })).toBe(folder);
    const found = { path: folder, name: `${NAME}@${hub.fake.commit}` };
    expect(await findModel(NAME, {}, { ...hub.env, HF_HUB_OFFLINE: "1" })).toEqual(found);
    // A commit is asked for only where something of it is missing.
    expect(await findModel(`${NAME}@${hub.fake.commit}`, {}, hub.env)).toEqual(found);
    expect(hub.fake.requests).toEqual([]);
  });

  test("says what is missing", async () => {
    await expect(fetched({ offline: true })).rejects.toThrow("of a hub it is not in the cache");
    const folder = await fetched();
    rmSync(join(folder, "config.json"));
    await expect(fetched({ offline: true })).rejects.toThrow("config.json: it is missing in the cache");
    await expect(findModel("JsST/Med-MoE/router.pth", { offline: true }, hub.env)).rejects.toThrow(
      "of a hub it is not in the cache",
    );
  });
});

describe("a cache that was changed", () => {
  const listings = () => readdirSync(join(hub.scratch, "cache/JsST/Med-MoE")).filter((name) => name.endsWith(".json"));
  const listing = () => join(hub.scratch, "cache/JsST/Med-MoE", `${hub.fake.commit}.stage3.json`);

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
    expect((await findModel(`${NAME}@${hub.fake.commit}`, {}, hub.env)).name).toBe(`${NAME}@${hub.fake.commit}`);
    await fetched({ offline: true });
  });

  test("which commit main was: what is none counts as not there", async () => {
    await fetched();
    writeFileSync(join(hub.scratch, "cache/JsST/Med-MoE/refs/main"), "../../..");
    await expect(fetched({ offline: true })).rejects.toThrow("of a hub it is not in the cache");
  });

  test("a folder called all is not the whole model", async () => {
    for (const path of ["config.json", "all/config.json"]) hub.fake.add(path, config);
    await findModel("JsST/Med-MoE/all", {}, hub.env);
    await expect(findModel("JsST/Med-MoE", { offline: true }, hub.env)).rejects.toThrow("it is not in the cache");
    await findModel("JsST/Med-MoE", {}, hub.env);
    expect(listings().sort()).toEqual([`${hub.fake.commit}.all.json`, `${hub.fake.commit}.json`]);
  });
});
