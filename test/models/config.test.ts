import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type Device, io, openDevice } from "../../engine/index.js";
import { RunConfig, type RunConfigInput, trainMiss } from "../../models/index.js";
import { checkConfig, presets } from "../../models/miss/config.js";
import { readModelFolder, writeModelFolder } from "../../models/miss/model-folder.js";
import { earlierNames } from "../../models/miss/run-config.js";
import { bertVocabulary, organSmoke } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

const small = { ...presets.tiny, vocab: 7, pad: 0, sep: 3, dec: 5, enc: 6 };
const pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

describe("sizes that do not fit together", () => {
  test.each([
    [{ imageSize: 70 }, "imageSize 70 is not a multiple of patch 8"],
    [{ visionHeads: 5 }, "visionWidth 64 is not a multiple of visionHeads 5"],
    [{ heads: 3 }, "hidden 64 is not a multiple of heads 3"],
    [{ dec: 7 }, "dec 7 is not below vocab 7"],
    [{ maxPositions: 20 }, "maxPositions 20 is less than the 35 ids of a question"],
  ])("%j", (change, message) => {
    expect(() => checkConfig({ ...small, ...change })).toThrow(message);
  });

  test("all at once", () => {
    expect(() => checkConfig({ ...small, imageSize: 70, heads: 3 })).toThrow(/imageSize.*; hidden/);
  });

  test("the presets fit", () => {
    for (const preset of Object.values(presets)) checkConfig(preset);
  });
});

describe("config.json of a model", () => {
  const answering = { method: "generate", beams: 3, maxLength: 10, maskQuestionPads: false } as const;
  const good = { config: small, scaling: "ordinary", answering, pieces } as const;

  test("comes back as written", async () => {
    await writeModelFolder(folder, good);
    expect(await readModelFolder(folder)).toEqual(good);
  });

  test.each([
    ["patch", { config: { ...small, patch: 7 } }, "imageSize 64 is not a multiple of patch 7"],
    ["a vocabulary of another model", { pieces: [...pieces, "word"] }, "vocab.txt gives 8 pieces"],
    ["an id that is another piece", { config: { ...small, sep: 4 } }, "sep is 4, but [SEP] of vocab.txt is 3"],
    [
      "layers beyond every model",
      { config: { ...small, layers: 1e9 } },
      "model.layers: 1000000000 is not a whole number from 1 to 1000",
    ],
    [
      "a side beyond every image",
      { config: { ...small, imageSize: 8e6 } },
      "model.imageSize: 8000000 is not a whole number from 1 to 4096",
    ],
    ["answers that are too long", { answering: { ...answering, maxLength: 80 } }, "model's 64 positions"],
  ])("%s", async (_, change, message) => {
    await writeModelFolder(folder, { ...good, ...change });
    await expect(readModelFolder(folder)).rejects.toThrow(message);
    await expect(readModelFolder(folder)).rejects.toThrow("config.json");
  });
});

describe("a run that cannot be is refused before anything is written", () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice("reference");
  });
  afterAll(() => device.close());

  test.each<[Partial<RunConfigInput>, string]>([
    [{ imageSize: 70 }, "imageSize 70 is not a multiple of patch 8"],
    [{ checkpointBlocks: 5 }, "`checkpointBlocks` is 5, the ViT has 4 blocks"],
    [{ answering: { method: "generate", maxLength: 100 } }, "`maxLength` 100"],
  ])("%j", async (change, message) => {
    const out = join(folder, "run");
    const config = RunConfig.parse({ ...organSmoke, ...change });
    await expect(trainMiss(config, { device, out, bertVocabulary })).rejects.toThrow(message);
    expect(existsSync(out)).toBe(false);
  });

  test("all parts frozen", () => {
    const adaptation = { vit: "F", jtm: "F", dec: "F" } as const;
    expect(() => RunConfig.parse({ ...organSmoke, adaptation })).toThrow("nothing would be trained");
  });

  test("a folder with a model and no state keeps both its files", async () => {
    const out = join(folder, "model");
    await writeModelFolder(out, {
      config: small,
      scaling: "ordinary",
      answering: RunConfig.parse(organSmoke).answering as never,
      pieces,
    });
    cpSync(
      fileURLToPath(new URL("../fixtures/miss/miss_tiny.safetensors", import.meta.url)),
      join(out, "model.safetensors"),
    );
    const before = readFileSync(join(out, "config.json"), "utf8");
    writeFileSync(join(out, "note.txt"), "");
    for (const resume of [false, true])
      await expect(trainMiss(RunConfig.parse(organSmoke), { device, out, bertVocabulary, resume })).rejects.toThrow(
        "holds a model already",
      );
    expect(readFileSync(join(out, "config.json"), "utf8")).toBe(before);
    expect(existsSync(join(out, "run.json"))).toBe(false);
  });
});

test("adaptation is an object, and a method is a word", () => {
  const data = { set: "organ", folder: "x" };
  const parse = (adaptation: unknown) => () =>
    io.parseWith(z.preprocess(earlierNames, RunConfig), { data, epochs: 1, adaptation }, "run.json");
  expect(parse(5)).toThrow("adaptation: 5 is not a group of keys");
  expect(parse({ jtm: { toString: 1 } })).toThrow(
    /jtm: "{"toString":1}" is none of them. The joint module takes F, T, lora/,
  );
  expect(parse({ vision: "toString" })).toThrow('vit: "toString" is none of them');
});
