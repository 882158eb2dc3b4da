import { mkdirSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Device, openDevice } from "../../engine/index.js";
import { PretrainConfig, pretrainMiss, RunConfig, rehearse } from "../../models/index.js";
import { captionTable, radiographs } from "./captions.js";
import { atStep, missRuns } from "./runs.js";
import { bertVocabulary, organSmoke } from "./support.js";

let device: Device;
const { path, train } = missRuns(() => device);
const change = { imageSize: 16, validation: 0, precision: "f16" } as const;

const pretrain = (out: string, more: object = {}) => {
  const { signal, resume, ...config } = more as { signal?: AbortSignal; resume?: boolean };
  const data = { file: captionTable(path("."), 14), images: radiographs };
  const settings = {
    vocabulary: "reduced",
    scaling: "ordinary",
    epochs: 1,
    batch: 4,
    queue: 8,
    embedding: 16,
  } as const;
  return pretrainMiss(PretrainConfig.parse({ data, ...settings, ...config }), {
    ...{ device, bertVocabulary, out: path(out), signal, resume },
    // After the first step there is a checkpoint.
    checkpointSeconds: 0,
  });
};

beforeAll(async () => {
  device = await openDevice("cpu");
  await train("begun", { change, stop: atStep(2) });
  await pretrain("pretrained");
});
afterAll(() => device.close());

/** Files of the runs that this process has open. */
const open = () =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${fd}`);
      return file.startsWith(path(".")) ? [file] : [];
    } catch {
      return [];
    }
  });

describe.skipIf(process.platform !== "linux")("a run that cannot go on leaves no file open", () => {
  test.each([
    ["training", () => train("begun", { change: { ...change, lr: 0.5 }, resume: true })],
    ["pre-training", () => pretrain("pretrained", { lr: 0.5, resume: true })],
  ])("%s with other settings", async (_, run) => {
    await expect(run()).rejects.toThrow("it was written by a run with other settings: lr");
    expect(open()).toEqual([]);
  });

  test.each([
    ["training", "begun", () => train("begun", { change, resume: true })],
    ["pre-training", "pretrained", () => pretrain("pretrained", { resume: true })],
  ])("%s whose log cannot be read", async (_, out, run) => {
    const log = join(path(out), "log.jsonl");
    rmSync(log);
    mkdirSync(log);
    await expect(run()).rejects.toThrow("log.jsonl");
    expect(open()).toEqual([]);
  });
});

test.each([
  ["training", () => train("none", { change })],
  ["pre-training", () => pretrain("none-pretrained")],
  ["a rehearsal", () => rehearse(RunConfig.parse({ ...organSmoke, ...change }), 1, { device, bertVocabulary })],
])("%s that cannot begin leaves no network on the device", async (_, run) => {
  const { allocations } = device.memory();
  const seed = vi.spyOn(device, "seed").mockImplementation(() => {
    throw new Error("no seed");
  });
  await expect(run()).rejects.toThrow("no seed");
  seed.mockRestore();
  expect(device.memory().allocations).toBe(allocations);
});
