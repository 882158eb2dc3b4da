import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { published, textMethods, visionMethods } from "../../models/miss/adaptation.js";
import { presets } from "../../models/miss/config.js";
import { countTuned } from "../../models/miss/count.js";
import { consilium } from "./support.js";

type Counts = { inserted: number; trainable: number };
type Part = { own: number } & Record<string, Counts>;
/** By Hugging Face's peft (test/peft/counts.py). */
const { parts } = JSON.parse(readFileSync(new URL("../fixtures/peft/counts.json", import.meta.url), "utf8")) as {
  parts: Record<"vit" | "jtm" | "dec", Part>;
};

/** What peft counts of a module that is tuned so. */
function counted(part: keyof typeof parts, method: string, rank: number): Counts & { total: number } {
  const { own, ...methods } = parts[part];
  if (method === "F") return { inserted: 0, trainable: 0, total: own };
  if (method === "T") return { inserted: 0, trainable: own, total: own };
  const found = methods[method === "lora" ? `lora${rank}` : method];
  return { ...found, total: own + found.inserted };
}

describe.each([4, 8])("rank %d: every row that MILE's tables can have, as peft counts it", (rank) => {
  test.each(visionMethods.map((vit) => [vit]))("ViT %s", async (vit) => {
    let rows = 0;
    for (const jtm of textMethods)
      for (const dec of textMethods) {
        const each = [counted("vit", vit, rank), counted("jtm", jtm, rank), counted("dec", dec, rank)];
        const trainable = each.reduce((sum, part) => sum + part.trainable, 0);
        const total = each.reduce((sum, part) => sum + part.total, 0);
        const found = await countTuned(presets.base, { ...published, vit, jtm, dec, rank });
        expect(found, `${vit}-${jtm}-${dec}`).toEqual({ trainable, total, percent: (100 * trainable) / total });
        rows++;
      }
    expect(rows).toBe(36);
  });
});

test("counted without memory for the weights", async () => {
  const before = process.memoryUsage.rss();
  await countTuned(presets.base, { ...published, jtm: "prefix", dec: "lora" });
  expect(process.memoryUsage.rss() - before).toBeLessThan(200e6);
});

test("the command prints a row, methods in any case", async () => {
  const { code, stdout } = await consilium([
    "params",
    "miss",
    "--vit",
    "f",
    "--jtm",
    "LoRA",
    "--dec",
    "lora",
    "--rank",
    "4",
  ]);
  expect(stdout).toBe("F-lora-lora: 589,824 of 362,068,796 parameters are trained, 0.163 %\n");
  expect(code).toBe(0);
});

test("the command gives JSON", async () => {
  const words = ["params", "miss", "--vit", "ia3", "--jtm", "T", "--dec", "ptv2", "--json", "-"];
  const { stdout } = await consilium(words);
  const { config, trainable, total, percent } = JSON.parse(stdout);
  expect(config).toMatchObject({ preset: "base", imageSize: 480, adaptation: { vit: "ia3", dec: "ptv2" } });
  expect({ trainable, total }).toEqual({ trainable: 36864 + 137258496 + 184320, total: 361478972 + 36864 + 184320 });
  expect(percent).toBe((100 * trainable) / total);
});

describe("what does not go together is explained, with what does", () => {
  test.each([
    [
      "--vit prefix",
      2,
      "--vit: prefix puts keys in front of those of words, and an image has none. The visual encoder takes F, T, lora, ia3",
    ],
    ["--vit ptv2", 2, "ptv2 puts keys in front of those of words"],
    [
      "--dec lora,ia3",
      2,
      '--dec: "lora,ia3" names several methods; a module takes one. The decoder takes F, T, lora, ia3, prefix, ptv2',
    ],
    ["--jtm False", 2, '--jtm: "False" is none of them. The joint module takes F, T,'],
    ["--vit F --jtm F --dec F", 2, "vit, jtm and dec are all F, frozen"],
    ["--vit lora --rank 769", 1, "--rank 769 is above the width 768 of a layer"],
    ["--preset tiny --dec lora --rank 65", 1, "Use 1 to 64"],
    [
      "--preset tiny --jtm prefix --virtual-tokens 30",
      1,
      "--virtual-tokens 30 in front of the 35 ids of a question do not fit into the model's 64 positions",
    ],
    ["--rank 0", 2, "--rank: It is a number above 0.\n"],
    ["--rank 2.5", 2, "--rank: It is a whole number.\n"],
    ["--lora-dropout 1.5", 2, "--lora-dropout: It is a number up to 0.9.\n"],
  ])("%s", async (words, code, text) => {
    const found = await consilium(["params", "miss", ...words.split(" ")]);
    expect(found.stderr).toContain(text);
    expect(found.code).toBe(code);
  });
});
