import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readConfigFile } from "../../apps/cli/options/config-file.js";
import { medMoeConfig } from "../../apps/cli/options/med-moe-flags.js";
import { pretrainConfig } from "../../apps/cli/options/pretrain-flags.js";
import { runConfig } from "../../apps/cli/options/run-flags.js";
import { medMoeStages, PretrainConfig, RunConfig } from "../../models/index.js";
import { consilium, temporaryFolder } from "./support.js";

const folder = temporaryFolder();
const written = (name: string, text: string) => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};
const print = async (...args: string[]) => {
  const { code, stdout, stderr } = await consilium(["train", ...args, "--print-config"]);
  expect(code, stderr).toBe(0);
  return stdout;
};

describe("--print-config", () => {
  test("all settings of train miss with their defaults; --config reads the same back, as flags changed them", async () => {
    const text = await print("miss", "--lr", "3e-4", "--clip-norm", "1", "--dropout", "0");
    const file = written("miss.yaml", text);
    const wanted = runConfig({ lr: 3e-4, clipNorm: 1, dropout: 0 });
    expect(runConfig({}, await readConfigFile(file, "train miss"))).toEqual(wanted);
    for (const key of Object.keys(RunConfig.shape)) expect(text).toMatch(new RegExp(`^(# )?${key}:`, "m"));
    expect(await print("miss", "--config", file)).toBe(text);
    expect(await print("miss", "--config", file, "--lr", "1e-3")).toBe(text.replace("0.0003", "0.001"));
  });

  test.each(medMoeStages)("of stage %s, with names to replace where it needs some", async (stage) => {
    const text = await print("med-moe", "--stage", stage);
    const from = await readConfigFile(written(`${stage}.yaml`, text), "train med-moe");
    const named = { modelPath: "MODEL", data: ["CONVERSATIONS.json"] };
    expect(medMoeConfig({}, from)).toEqual(medMoeConfig({ stage, ...named }));
    expect(/^# lora:$/m.test(text)).toBe(stage === "instruct" || stage === "moe");
  });

  test("of pretrain miss, with a name to replace where it names no table", async () => {
    const { stdout } = await consilium([
      ...["pretrain", "miss", "--print-config", "--momentum", "0.9", "--augment", "random-resized-crop,flip"],
    ]);
    const from = await readConfigFile(written("pretrain.yaml", stdout), "pretrain miss");
    const augment = [{ name: "random-resized-crop" }, { name: "flip" }];
    const wanted = pretrainConfig({ data: "CAPTIONS.csv", momentum: 0.9, augment });
    expect(wanted.augment).toEqual([
      { name: "random-resized-crop", scale: [0.5, 1], ratio: [3 / 4, 4 / 3] },
      { name: "flip", p: 0.5 },
    ]);
    expect(pretrainConfig({}, from)).toEqual(wanted);
    for (const key of Object.keys(PretrainConfig.shape)) expect(stdout).toMatch(new RegExp(`^(# )?${key}:`, "m"));
  });

  test("a table's own keys are there with a table alone", async () => {
    expect(await print("miss")).not.toContain("columns:");
    expect(await print("miss", "--data", "rows.csv")).toContain("  columns: {}\n");
  });
});

describe("a file of settings", () => {
  const errorOf = async (file: string) => {
    const { code, stderr } = await consilium(["train", "miss", "--out", join(folder, "run"), "--config", file]);
    expect(code).toBe(1);
    return stderr;
  };

  /** Each a hundred of the one before. */
  const bomb = ["a", "b", "c", "d"]
    .map((a, i) => `${"bcde"[i]}: &${"bcde"[i]} [${Array(100).fill(`*${a}`)}]\n`)
    .join("");

  test("every fault has its line, its key and the nearest that there is, in YAML and in JSON", async () => {
    const faults = (lines: readonly number[]) => [
      `line ${lines[0]}, lr: "fast" is not a number above 0`,
      `line ${lines[1]}, answering.beam: unknown key; did you mean "beams"?`,
      `line ${lines[2]}, lrate: unknown key`,
    ];
    const yaml = written("bad.yaml", "epochs: 3\nlr: fast\nanswering:\n  k: 3\n  beam: 4\nlrate: 1\n");
    const json = written("bad.json", '{"epochs": 3, "lr": "fast",\n"answering": {"k": 3,\n"beam": 4},\n"lrate": 1}');
    for (const [file, lines] of [
      [yaml, [2, 5, 6]],
      [json, [1, 3, 4]],
    ] as const) {
      const said = await errorOf(file);
      expect(said).toContain(`${file}: 3 problems in its values`);
      for (const fault of faults(lines)) expect(said).toContain(`\n  - ${fault}`);
    }
  });

  test("beside a wrong flag the faults of the file are told, too, by its lines", async () => {
    const wrong = written("mixed.yaml", "lr: fast\nprecision: f64\nepochs: 3\n");
    const of = (...words: string[]) => consilium([...words, "--out", join(folder, "run"), "--config", wrong]);
    for (const words of [
      ["train", "miss", "--batch", "0"],
      ["pretrain", "miss", "--data", "t.csv", "--batch", "0"],
      ["train", "med-moe", "--stage", "align", "--model-path", "m", "--data", "c.json", "--batch", "0"],
    ]) {
      const { code, stderr } = await of(...words);
      expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining("--batch: ") });
      expect(stderr).toContain(`\n${wrong}: line 1, lr: "fast" is not a number above 0\n`);
      expect(stderr).toMatch(/: line 2, precision: "f64" is not f32, bf16( or|,) f16/);
    }
  });

  test.each([
    ["no YAML", "epochs: 3\nlr: [1\nseed: 3\n", /:3:1: this is no YAML \(.*\)\. Correct that line/],
    ["a key twice", "lr: 1\nlr: 2\n", /:2:1: this is no YAML \(Map keys must be unique\)/],
    ["a list", "- lr\n", /list\.yaml: it is not a list of `key: value`\. See consilium train miss --print-config/],
    ["a bomb", `a: &a [1,1]\n${bomb}`, /list\.yaml: its aliases cannot be followed \(Excessive alias count/],
    ["an alias of nothing", "lr: *rate\n", /list\.yaml.*Unresolved alias/],
    [
      "an alias inside itself",
      "lr: &a [*a]\n",
      /list\.yaml: its aliases cannot be followed \(\*a stands inside what it/,
    ],
    [
      "depth",
      `lr: ${"[".repeat(50_000)}${"]".repeat(50_000)}\n`,
      /list\.yaml:1:\d+: this is no YAML \(its values are nested too deep\)/,
    ],
    ["nothing", "# lr: 1\n", /list\.yaml: it is not a list of `key: value`/],
  ])("%s", async (_, text, said) => expect(await errorOf(written("list.yaml", text))).toMatch(said));

  test("numbers and booleans as people write them", async () => {
    const text = "lr: 1e-3\nepochs: 2\nanswering:\n  maskQuestionPads: Yes\nimages: blank\n";
    const config = runConfig({}, await readConfigFile(written("people.yml", text), "train miss"));
    expect(config).toMatchObject({ lr: 1e-3, answering: { maskQuestionPads: true }, images: "blank" });
  });

  test("run.json of a run is one", async () => {
    const file = written("run.json", JSON.stringify(runConfig({ epochs: 7 })));
    expect(runConfig({}, await readConfigFile(file, "train miss")).epochs).toBe(7);
    expect(readFileSync(file, "utf8")).toContain('"epochs":7');
  });
});
