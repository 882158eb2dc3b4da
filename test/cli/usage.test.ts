import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runFlags } from "../../apps/cli/run-flags.js";
import { RunConfig } from "../../models/index.js";
import { consilium, goldenFolder, temporaryFolder } from "./support.js";

const folder = temporaryFolder();

describe("help", () => {
  const commands = [["devices"], ["train", "miss"], ["eval", "miss"], ["info"], ["verify"], ["bench"], ["demo"]];
  test.each(commands.map((words) => words.join(" ")))("%s", async (words) => {
    const { code, stdout } = await consilium([...words.split(" "), "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: consilium ${words}`);
    for (const expected of ["--device", "--threads", "--json", "--debug", "Examples:", `consilium ${words}`])
      expect(stdout).toContain(expected);
  });

  test("every setting of a run has a flag", () => {
    const keys = Object.values(runFlags).flatMap((flags) => flags.map((flag) => flag.key));
    const config = RunConfig.parse({ data: { set: "organ", folder: "x" }, epochs: 1 });
    const optional = ["imageSize", "clipNorm", "init"];
    const leaves = (tree: object, path: string): string[] =>
      Object.entries(tree).flatMap(([key, value]) =>
        typeof value === "object" && value !== null ? leaves(value, `${path}${key}.`) : [`${path}${key}`],
      );
    expect(keys.toSorted()).toEqual([...leaves(config, ""), ...optional].toSorted());
    for (const key of optional) expect(Object.keys(RunConfig.shape)).toContain(key);
  });
});

describe("wrong usage exits with 2", () => {
  test.each([
    ["an unknown flag, with the nearest", ["demo", "--fst"], "--fast"],
    ["an unknown flag of a subcommand", ["train", "miss", "--out", "x", "--epoch", "3"], "--epochs"],
    ["an unknown command, with the nearest", ["verfy"], "verify"],
    ["a device that does not exist", ["devices", "--device", "gpu"], "cpu, webgpu, reference"],
    ["threads that are no count", ["devices", "--threads", "1.5"], "whole number"],
    ["a missing argument", ["verify"], "folder"],
    ["--out left out", ["train", "miss"], "--out"],
    ["controls that exclude each other", ["eval", "miss", "x", "--shuffle-images", "--blank-images"], "exclude"],
  ])("%s", async (_, args, named) => {
    const { code, stderr, stdout } = await consilium(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(named);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

describe("what cannot be done exits with 1 and one clear message", () => {
  const config = join(folder, "bad.json");
  writeFileSync(config, JSON.stringify({ epochs: 1, data: { set: "organ", foldr: "x" } }));
  const broken = join(folder, "broken.json");
  writeFileSync(broken, "{ epochs");
  test.each([
    [
      "a key that the config does not know",
      ["train", "miss", "--out", join(folder, "a"), "--config", config],
      "folder",
    ],
    ["a config that is not JSON", ["train", "miss", "--out", join(folder, "a"), "--config", broken], "broken.json"],
    ["a value out of range", ["train", "miss", "--out", join(folder, "a"), "--batch", "-3"], "batch"],
    ["a folder without a model", ["eval", "miss", join(folder, "none")], "none"],
    ["a checkpoint that is not one", ["info", config], "bad.json"],
    [
      "a scenario that does not exist",
      ["verify", goldenFolder, "--only", "everything", "--device", "reference"],
      "everything",
    ],
  ])("%s", async (_, args, named) => {
    const { code, stderr } = await consilium(args);
    expect(code).toBe(1);
    expect(stderr).toContain(named);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  test("--debug shows where it came from", async () => {
    const { stderr } = await consilium(["info", config, "--debug"]);
    expect(stderr).toMatch(/\n\s+at /);
  });
});
