import { describe, expect, test } from "vitest";
import { runFlags } from "../../apps/cli/options/run-flags.js";
import { RunConfig } from "../../models/index.js";
import { consilium, modulesOf } from "./support.js";

describe("help", () => {
  const commands = [
    ["devices"],
    ["pretrain", "miss"],
    ["train", "miss"],
    ["train", "med-moe"],
    ["eval", "miss"],
    ["eval", "med-moe"],
    ["score"],
    ["init", "med-moe"],
    ["convert"],
    ["data", "check"],
    ["data", "fetch"],
    ["data", "instruct"],
    ["params", "miss"],
    ["sweep", "miss"],
    ["adapter", "export"],
    ["adapter", "import"],
    ["adapter", "merge"],
    ["plot", "routing"],
    ["chat"],
    ["export"],
    ["info"],
    ["verify"],
    ["bench"],
    ["demo"],
  ];
  test.each(commands.map((words) => words.join(" ")))("%s", async (words) => {
    const { code, stdout } = await consilium([...words.split(" "), "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: consilium ${words}`);
    expect(stdout, "a default is said").not.toMatch(/\(default:\s*\)/);
    expect(stdout, "a default is said once").not.toMatch(/\(default: [^)]*\)\s+\(default:/);
    for (const expected of ["--json", "--debug", "Examples:", `consilium ${words}`]) expect(stdout).toContain(expected);
    const files = ["score", "info", "data check", "data fetch", "data instruct", "params miss", "plot routing"];
    const computes = !files.includes(words);
    for (const flag of ["--device", "--threads", "--memory"]) expect(stdout.includes(flag), flag).toBe(computes);
  });

  test.each([
    ["--help", null],
    ["train --help", null],
    ["include", "include"],
    ["help score", "score"],
    ["devices --threads 1.5", "devices"],
    ["verify", "verify"],
  ])("%s loads the module of no other command, nor the library before it is needed", async (words, own) => {
    const modules = await modulesOf(words.split(" "));
    expect(modules.some((url) => url.endsWith("/apps/cli/program.js"))).toBe(true);
    const names = modules.flatMap((url) => /\/apps\/cli\/commands\/(.*)\.js$/.exec(url)?.[1] ?? []);
    expect(names).toEqual(own === null ? [] : [own]);
    if (own !== "score") expect(modules.filter((url) => /\/dist\/(models|engine)\//.test(url))).toEqual([]);
  });

  test("of chat: also what is typed in a conversation", async () => {
    const { stdout } = await consilium(["chat", "--help"]);
    for (const typed of ["/image FILE", "/new", "/exit"]) expect(stdout).toContain(typed);
  });

  test("of all commands, also as a command", async () => {
    const { code, stdout } = await consilium(["help"]);
    expect({ code, stdout }).toEqual(await consilium(["--help"]).then(({ code, stdout }) => ({ code, stdout })));
    for (const [word] of [...commands, ["setup"]]) expect(stdout).toMatch(new RegExp(`^  ${word}\\b`, "m"));
    expect((await consilium(["help", "demo"])).stdout).toContain("Usage: consilium demo");
  });

  test("every setting of a run has a flag", () => {
    const keys = Object.values(runFlags).flatMap((flags) => flags.map((flag) => flag.key));
    const config = RunConfig.parse({ data: { set: "organ", folder: "x" }, epochs: 1 });
    const optional = ["imageSize", "clipNorm", "init", "validateEverySteps", "patience"];
    const leaves = (tree: object, path: string): string[] =>
      Object.entries(tree).flatMap(([key, value]) =>
        typeof value === "object" && value !== null ? leaves(value, `${path}${key}.`) : [`${path}${key}`],
      );
    const ofTables = ["columns", "images", "split", "allowLeak", "form", "referenceBugs"].map((key) => `data.${key}`);
    const ofTests = ["file", "form", "images"].map((key) => `data.test.${key}`);
    expect(keys.toSorted()).toEqual(
      [...leaves(config, ""), ...optional, ...ofTables, ...ofTests, "augment"].toSorted(),
    );
    for (const key of optional) expect(Object.keys(RunConfig.shape)).toContain(key);
  });
});
