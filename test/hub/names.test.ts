import { describe, expect, test } from "vitest";
import { findModel } from "../../apps/hub/model.js";
import { isSafePath, parseHubName } from "../../apps/hub/name.js";
import { small } from "./serve.js";
import { config, HubAndCache } from "./support.js";

const hub = new HubAndCache();
const { fetched } = hub;

describe("names", () => {
  test.each(["../evil.json", "stage3/../../evil", "/etc/passwd", "stage3\\..\\evil", "stage3//x", "C:evil", "a\0b"])(
    "a listing with %j is refused before anything is fetched",
    async (path) => {
      hub.fake.first = ({ url }, response) => {
        if (!url?.includes("/tree/")) return false;
        response.end(JSON.stringify([...hub.fake.listed, small(path, config)]));
        return true;
      };
      await expect(fetched()).rejects.toThrow("would leave its folder: nothing of it is taken");
      expect(hub.fake.requests.filter((request) => request.includes("/resolve/"))).toEqual([]);
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
    await expect(findModel("test/Med-MoE", {}, hub.env)).rejects.toThrow(
      "test/Med-MoE: there is no such folder or file in test, which is here. Check the path; for the model of a hub, name " +
        "its revision, too: test/Med-MoE@main",
    );
    expect(hub.fake.requests).toEqual([]);
    await expect(findModel("test/Med-MoE@main", {}, hub.env)).rejects.toThrow(
      /^test\/Med-MoE@main: there is no such folder or file, and as a name on a hub: http:.*\(404\)/,
    );
  });

  test("neither a path nor a name", () =>
    expect(findModel("nothing-there", {}, hub.env)).rejects.toThrow(
      "there is no such folder or file, and it is no name on a hub",
    ));

  test("a folder without a model names those that have one; a file that is not listed", async () => {
    await expect(findModel("JsST/Med-MoE", {}, hub.env)).rejects.toThrow(
      "it holds no model (no config.json). Models are in JsST/Med-MoE/stage3",
    );
    await expect(findModel("JsST/Med-MoE/phi_router.pth", {}, hub.env)).rejects.toThrow("the hub lists no such file");
  });
});
