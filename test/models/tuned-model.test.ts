import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/index.js";
import { TunedModel } from "../../models/index.js";
import { atStep, missRuns } from "./runs.js";

let device: Device;
const { path, train, sameFiles } = missRuns(() => device);
beforeAll(async () => {
  device = await openDevice("cpu");
});
afterAll(() => device.close());

/** 42 questions in 3 steps an epoch; steps so small that no validation is better than the first. */
const change = {
  ...{ epochs: 3, imageSize: 16, validateEverySteps: 2, patience: 2, lr: 1e-5 },
  adaptation: { vit: "lora", jtm: "ia3", dec: "T", rank: 4 },
} as const;
const bytes = (...names: string[]) => readFileSync(path(join(...names)));

test("the adapters of a run are those of its best validation, not the last ones: folded in, its model bit for bit", async () => {
  const { best, steps } = await train("best", { change });
  expect(best?.step).toBeLessThan(steps);
  using tuned = await TunedModel.of(path("best"), { device });
  await tuned.saveMerged(path("merged"));
  expect(bytes("merged", "model.safetensors").equals(bytes("best", "model.safetensors"))).toBe(true);
});

test("stopped after the best validation and resumed, the run keeps the same ones", async () => {
  await train("stopped", { change, stop: atStep(3) });
  await train("stopped", { change, resume: true });
  sameFiles("stopped", "best");
  expect(bytes("stopped", "best.safetensors").equals(bytes("best", "best.safetensors"))).toBe(true);
});

test("without validation, or trained in full, there is nothing to keep beside the last ones", async () => {
  await train("last", { change: { ...change, validation: 0, validateEverySteps: undefined, patience: undefined } });
  await train("full", { change: { ...change, adaptation: {} } });
  for (const name of ["last", "full"]) expect(() => bytes(name, "best.safetensors")).toThrow("ENOENT");
  using tuned = await TunedModel.of(path("last"), { device });
  await tuned.saveMerged(path("last-merged"));
  expect(bytes("last-merged", "model.safetensors").equals(bytes("last", "model.safetensors"))).toBe(true);
});
