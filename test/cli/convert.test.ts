import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { openDevice } from "../../engine/index.js";
import { MedMoe, presets } from "../../models/index.js";
import { speakingModel } from "../med-moe/support.js";
import { consilium, goldenFolder, temporaryFolder } from "./support.js";

const folder = temporaryFolder();
const path = (...names: string[]) => join(folder, ...names);
const HERE = ["--device", "reference"];

/** A model with what its training left beside it. */
beforeAll(async () => {
  await speakingModel("stablelm", path("model"));
  for (const name of ["run.json", "trainer_state.json", "last.safetensors", "LICENSE"])
    writeFileSync(path("model", name), "{}");
  mkdirSync(path("model/checkpoint-500"));
  copyFileSync(path("model/model.safetensors"), path("model/checkpoint-500/model.safetensors"));
  copyFileSync(path("model/config.json"), path("model/checkpoint-500/config.json"));
});

test("takes settings, tokenizer and tower along, and nothing of a training", async () => {
  const { code, stderr, stdout } = await consilium([
    ...["convert", path("model"), "--to", "int8", "--group", "32", "--out", path("int8"), "--json", "-", ...HERE],
  ]);
  expect(code, stderr).toBe(0);
  const { copied } = JSON.parse(stdout);
  expect(copied).toEqual(expect.arrayContaining(["config.json", "vocab.json", "LICENSE", "vision_tower/config.json"]));
  for (const name of ["run.json", "trainer_state.json", "last.safetensors", "checkpoint-500"])
    expect(existsSync(path("int8", name)), name).toBe(false);
  expect(readFileSync(path("int8/vision_tower/config.json"))).toEqual(
    readFileSync(path("model/vision_tower/config.json")),
  );
});

test("experts whose hidden width is no whole number of groups stay as they are, all of their products", async () => {
  const made = await consilium(["init", "med-moe", "--backbone", "tiny", "--out", path("tiny"), ...HERE]);
  expect(made.code, made.stderr).toBe(0);
  const { code, stderr } = await consilium([
    "convert",
    path("tiny"),
    "--to",
    "int4",
    "--out",
    path("tiny-int4"),
    ...HERE,
  ]);
  expect(code, stderr).toBe(0);
  await using device = await openDevice("reference");
  using model = await MedMoe.load(path("tiny-int4"), { device });
  const of = (part: RegExp) =>
    new Set([...model.network.namedParameters()].filter(([name]) => part.test(name)).map(([, p]) => p.dtype));
  expect(of(/experts\.(up|down)$/)).toEqual(new Set(["f32"]));
  expect([...of(/q_proj/)]).toContain("u32");
});

test("a MISS model is refused, and so is one that nothing becomes integers of", async () => {
  mkdirSync(path("miss"));
  copyFileSync(join(goldenFolder, "miss_tiny.safetensors"), path("miss/model.safetensors"));
  writeFileSync(path("miss/config.json"), JSON.stringify({ format: 1, model: presets.tiny }));
  const miss = await consilium(["convert", path("miss"), "--to", "int4", "--out", path("no"), ...HERE]);
  expect([miss.code, miss.stderr]).toEqual([
    1,
    expect.stringContaining("it is that of a MISS model, which is another family"),
  ]);
  // The widths of the golden Phi are no multiples of 64.
  await speakingModel("phi", path("phi"));
  const none = await consilium(["convert", path("phi"), "--to", "int4", "--group", "64", "--out", path("no"), ...HERE]);
  expect([none.code, none.stderr]).toEqual([
    2,
    expect.stringContaining(
      `${path("phi")} has no weight that becomes int4 in groups of 64: its products have other inputs.`,
    ),
  ]);
  expect(existsSync(path("no"))).toBe(false);
});
