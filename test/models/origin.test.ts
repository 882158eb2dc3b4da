import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/index.js";
import {
  lastTuning,
  loadQuestions,
  loadSplits,
  ORIGIN_FILE,
  RunConfig,
  readMade,
  readOrigin,
  readRun,
  TunedModel,
} from "../../models/index.js";
import { missRuns } from "./runs.js";

let device: Device;
const { path, train } = missRuns(() => device);
const sha256 = (...names: string[]) =>
  createHash("sha256")
    .update(readFileSync(path(join(...names))))
    .digest("hex");
const maker = { command: "consilium adapter merge", versions: { consilium: "0.0.0" } };

/** A table whose one row is of the training of `run`. */
async function seen(name: string, run: RunConfig) {
  const { train: rows } = await loadSplits(run);
  const file = path(name);
  writeFileSync(file, `image,question,answer\n${JSON.stringify(rows[0].image)},${rows[0].question},x\n`);
  return (more: object = {}) => RunConfig.parse({ data: { set: "table", file, ...more }, epochs: 1 });
}

describe("what was made of others", () => {
  let run: RunConfig;
  beforeAll(async () => {
    device = await openDevice("cpu");
    await train("lora", {
      dataThreads: 0,
      change: { epochs: 1, imageSize: 16, adaptation: { vit: "lora", jtm: "F", dec: "T", rank: 4 } },
    });
    run = (await readRun(path("lora"))) as RunConfig;
    {
      using tuned = await TunedModel.of(path("lora"), { device });
      await tuned.saveAdapters(path("adapters"), path("base"), maker);
      await tuned.saveBase(path("base"), maker);
    }
    {
      using tuned = await TunedModel.beside(path("base"), path("adapters"), { device });
      await tuned.save(path("tuned"), maker);
    }
    using tuned = await TunedModel.of(path("tuned"), { device });
    await tuned.saveMerged(path("merged"), maker);
  });
  afterAll(() => device.close());

  test("says of what, by which command and versions, with the hashes of the weights", async () => {
    const file = (...names: string[]) => ({ [path(join(...names))]: sha256(...names) });
    const root = "visual_encoder/adapter_model.safetensors";
    expect(await readOrigin(path("adapters"))).toMatchObject({
      ...maker,
      sources: [{ of: "model", path: path("lora"), run, sha256: file("lora", "last.safetensors") }],
    });
    const tuned = await readOrigin(path("tuned"));
    expect(tuned?.sources).toMatchObject([
      { of: "model", path: path("base"), run: null, sha256: file("base", "model.safetensors") },
      { of: "adapters", path: path("adapters"), run: null, sha256: file("adapters", root) },
    ]);
    expect(tuned?.sources.map(({ origin }) => origin?.sources[0].run)).toEqual([run, run]);
    expect(await readOrigin(path("merged"))).toMatchObject({
      sources: [
        {
          path: path("tuned"),
          origin: tuned,
          sha256: { ...file("tuned", "model.safetensors"), ...file("tuned", "adapter", root) },
        },
      ],
    });
  });

  test("knows what it has learned, also where all that it was made of is gone", async () => {
    const of = await seen("seen.csv", run);
    const before = await loadQuestions(run, "test", run);
    for (const name of ["lora", "base", "adapters", "tuned"]) rmSync(path(name), { recursive: true });
    const made = await readMade(path("merged"));
    expect(lastTuning(made)).toEqual(run);
    // Its own test is that of the run, which has nothing to hide.
    expect(await loadQuestions(run, "test", made)).toEqual(before);
    expect((await loadQuestions(run, "train", made)).notices).toEqual([
      expect.stringContaining("was trained on these"),
    ]);
    await expect(loadQuestions(of(), "test", made)).rejects.toThrow(
      /seen\.csv: 1 evaluation rows overlap with training.*\(train of the model .*lora\)/s,
    );
    expect((await loadQuestions(of({ allowLeak: true }), "test", made)).leak?.rows).toHaveLength(1);
    // So does a run that starts from it.
    const later = { ...run, init: path("merged"), validation: 0.5, seed: run.seed + 1 };
    await expect(loadSplits(later)).rejects.toThrow(/evaluation rows overlap with training.*of the model .*lora/s);
  });

  test("of adapters that nothing is known of is not taken for clean", async () => {
    await train("other", {
      dataThreads: 0,
      change: { epochs: 1, imageSize: 16, adaptation: { vit: "lora", jtm: "F", dec: "F", rank: 4 } },
    });
    {
      using tuned = await TunedModel.of(path("other"), { device });
      await tuned.saveAdapters(path("strange"), path("bare"));
      await tuned.saveBase(path("bare"));
    }
    rmSync(join(path("strange"), ORIGIN_FILE));
    {
      using tuned = await TunedModel.beside(path("bare"), join(path("strange"), "visual_encoder"), { device });
      await tuned.saveMerged(path("stranger"));
    }
    const of = await seen("unseen.csv", run);
    const made = await readMade(path("stranger"));
    expect(lastTuning(made)).toBeNull();
    await expect(loadQuestions(of(), "test", made)).rejects.toThrow(
      /it cannot be compared with what the model was trained on \(the adapters .*visual_encoder had no run\.json\)/,
    );
  });
});
