import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type Device, io } from "../../engine/index.js";
import {
  BLIP_AUGMENTATIONS,
  MissVqa,
  openPretrainState,
  PretrainConfig,
  type PretrainConfigInput,
  type PretrainResult,
  pretrainMiss,
  RunConfig,
  readRun,
  trainMiss,
} from "../../models/index.js";
import { loadSplits } from "../../models/miss/datasets.js";
import { alphaAt, rateAt } from "../../models/miss/pretrain/schedule.js";
import { tryOpen } from "../support/devices.js";
import { captionTable, radiographs } from "./captions.js";
import { bertVocabulary } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-pretrain-run-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);
const file = captionTable(folder, 14);

/** 14 images: 3 steps of 4 pairs an epoch, two images left out; the queues of 8 are overwritten from step 3 on. */
const config: PretrainConfigInput = {
  data: { file, images: radiographs },
  vocabulary: "reduced",
  scaling: "ordinary",
  epochs: 3,
  batch: 4,
  queue: 8,
  embedding: 16,
  warmupSteps: 2,
  lr: 1e-3,
};

function run(device: Device, out: string, more: Partial<PretrainConfigInput> = {}, options: object = {}) {
  return pretrainMiss(PretrainConfig.parse({ ...config, ...more }), {
    ...{ device, bertVocabulary, checkpointSeconds: 0 },
    ...{ out: path(out), ...options },
  });
}

/** Stops after `steps` steps. */
function stopped(device: Device, out: string, steps: number, more: Partial<PretrainConfigInput> = {}) {
  const stop = new AbortController();
  const onEvent = (event: { type: string; step?: number }) => {
    if (event.type === "step" && event.step === steps) stop.abort();
  };
  return run(device, out, more, { signal: stop.signal, onEvent });
}

const bytes = (name: string) => readFileSync(path(name));

describe("on cpu", async () => {
  const { device, reason } = await tryOpen("cpu");
  afterAll(() => device?.close());
  let whole: PretrainResult;

  test.skipIf(!device)(`a whole run learns, and leaves a pre-training checkpoint${reason}`, async () => {
    if (!device) throw new Error(reason);
    const before = device.memory().allocations;
    whole = await run(device, "whole");
    expect(device.memory().allocations, "allocations left behind").toBe(before);
    const { history, steps, interrupted } = whole;
    expect({ steps, interrupted }).toEqual({ steps: 9, interrupted: false });
    expect(history.captioning[8]).toBeLessThan(0.85 * history.captioning[0]);
    for (const [i, loss] of history.loss.entries())
      expect(loss).toBeCloseTo(history.contrast[i] + history.matching[i] + history.captioning[i], 4);
    expect(history.lr.slice(0, 4)).toEqual([1e-6, expect.closeTo(5.005e-4, 9), 1e-3, expect.closeTo(9.5e-4, 9)]);
    await using reader = await io.openCheckpoint(path("whole/model.safetensors"));
    for (const name of ["visual_encoder_m.cls_token", "image_queue", "temp", "itm_head.weight", "text_proj_m.bias"])
      expect(reader.has(name), name).toBe(true);
    // Nine steps of four, modulo eight.
    expect(await io.readInt32(reader.get("queue_ptr"))).toEqual(Int32Array.of(4));
  });

  test.skipIf(!device).each([1, 4, 6])(`stopped after step %i and resumed: the same bits${reason}`, async (at) => {
    if (!device) throw new Error(reason);
    const out = `stopped-${at}`;
    const first = await stopped(device, out, at);
    expect(first.interrupted).toBe(true);
    expect(first.steps).toBeLessThan(9);
    const { state, reader } = await openPretrainState(path(out));
    await reader.close();
    expect(state).toMatchObject({ step: first.steps, queuePointer: (4 * first.steps) % 8, finished: false });
    device.seed(99);
    const rest = await run(device, out, {}, { resume: true });
    expect(rest.resumedAt).toBe(first.steps);
    expect(rest.history).toEqual(whole.history);
    expect(bytes(`${out}/model.safetensors`).equals(bytes("whole/model.safetensors"))).toBe(true);
  });

  test.skipIf(!device)(`read by threads or not, the same bits${reason}`, async () => {
    if (!device) throw new Error(reason);
    for (const dataThreads of [0, 2]) {
      const { history } = await run(device, `threads-${dataThreads}`, {}, { dataThreads });
      expect(history).toEqual(whole.history);
      expect(bytes(`threads-${dataThreads}/model.safetensors`).equals(bytes("whole/model.safetensors"))).toBe(true);
    }
  });

  test.skipIf(!device)(
    `images and captions that are changed: drawn anew, and the same when resumed${reason}`,
    async () => {
      if (!device) throw new Error(reason);
      const small = { imageSize: 16, epochs: 2 };
      const change = { ...small, augment: [...BLIP_AUGMENTATIONS, { name: "word-swap" } as const] };
      const { history } = await run(device, "changed-whole", change, { dataThreads: 2 });
      await stopped(device, "changed-stopped", 2, change);
      const rest = await run(device, "changed-stopped", change, { resume: true, dataThreads: 0 });
      expect(rest.resumedAt).toBeGreaterThan(1);
      expect(rest.history).toEqual(history);
      expect(bytes("changed-stopped/model.safetensors").equals(bytes("changed-whole/model.safetensors"))).toBe(true);
      // The first loss is before any step: images alone, words alone, both and neither are four.
      const first = async (name: string, augment: PretrainConfigInput["augment"]) =>
        (await stopped(device, name, 1, { ...small, augment })).history.captioning[0];
      const losses = [await first("still", []), await first("images", [...BLIP_AUGMENTATIONS])];
      losses.push(await first("words", [{ name: "word-swap" }]), history.captioning[0]);
      expect(new Set(losses).size).toBe(4);
    },
  );

  test.skipIf(!device)(`tuning starts from it, and knows the images that it has seen${reason}`, async () => {
    if (!device) throw new Error(reason);
    const images = readFileSync(file, "utf8").trim().split("\n").slice(1, 13);
    const rows = images.map((line, i) => `${line.split(",")[0]},What is shown?,chest,${i < 8 ? "train" : "test"}`);
    const table = path("questions.csv");
    writeFileSync(table, `image,question,answer,split\n${rows.join("\n")}\n`);
    const tuning = (allowLeak: boolean) =>
      RunConfig.parse({
        data: { set: "table", file: table, images: radiographs, allowLeak },
        scaling: "ordinary",
        epochs: 1,
        batch: 4,
        init: path("whole"),
      });
    await expect(loadSplits(tuning(false))).rejects.toThrow(
      /4 evaluation rows overlap with training.*line 10 \(test\) has the image of line 10 \(train of the start .*whole\)/s,
    );
    const events: unknown[] = [];
    const result = await trainMiss(tuning(true), {
      ...{ device, bertVocabulary, out: path("tuned") },
      onEvent: (event) => events.push(event),
    });
    expect(result.leak?.rows).toHaveLength(4);
    expect(result.unchecked).toBeNull();
    const nothing = { interpolated: false, unused: [], disagreeing: [], missing: [], skipped: [] };
    expect(events).toContainEqual({ type: "loaded", file: path("whole/model.safetensors"), report: nothing });
  });

  test.skipIf(!device)(`a pre-trained model answers, poorly, as a tuned one does${reason}`, async () => {
    if (!device) throw new Error(reason);
    using model = await MissVqa.load(path("whole"), { device });
    const image = join(radiographs, readFileSync(file, "utf8").split("\n")[1].split(",")[0]);
    const answering = { method: "rank", answers: ["chest", "brain"], k: 2, maskQuestionPads: false } as const;
    const { answer } = await model.answer(image, "What is shown?", { answering });
    expect(answering.answers).toContain(answer);
    expect(typeof (await model.answer(image, "What is shown?")).answer).toBe("string");
    expect(await readRun(path("whole"))).toBeNull();
  });

  test.skipIf(!device)(`mixed precision, clipping and layers computed twice${reason}`, async () => {
    if (!device) throw new Error(reason);
    const plain = (await run(device, "plain", { epochs: 1, clipNorm: 1 })).history;
    const twice = (await run(device, "twice", { epochs: 1, clipNorm: 1, checkpointBlocks: 2 })).history;
    expect(twice).toEqual(plain);
    const half = (await run(device, "half", { epochs: 1, clipNorm: 1, precision: "bf16" })).history;
    for (const [i, loss] of half.loss.entries()) expect(Math.abs(loss / plain.loss[i] - 1)).toBeLessThan(0.05);
  });
});

describe("what is refused", async () => {
  const { device } = await tryOpen("reference");
  const on = () => device as Device;
  afterAll(() => device?.close());

  test.skipIf(!device)("a queue that the batches do not fill evenly, with those that they do", async () => {
    await expect(run(on(), "queue", { queue: 10 })).rejects.toThrow(
      "`queue` 10 is not a multiple of `batch` 4: each step overwrites the next 4 features of the queue, and must come out " +
        "even at its end. Use 8 or 12, or another batch.",
    );
  });

  test.skipIf(!device)("a batch of one, and one larger than the data", async () => {
    expect(() => PretrainConfig.parse({ ...config, batch: 1 })).toThrow("matching needs: 2 or more");
    await expect(run(on(), "large", { batch: 16, queue: 16 })).rejects.toThrow(
      /`batch` is 16, but .*captions\.csv has 14 images\. Use a smaller one/,
    );
  });

  test.skipIf(!device)("captions that changed under a run, and a folder that holds a model", async () => {
    const other = captionTable(mkdtempSync(path("other-")), 6);
    const data = { file: other, images: radiographs };
    const { config: recorded } = await stopped(on(), "changed", 1, { data, batch: 2, epochs: 1 });
    writeFileSync(other, readFileSync(other, "utf8").replace("chest", "thorax"));
    await expect(run(on(), "changed", recorded, { resume: true })).rejects.toThrow(
      "it has changed since the run began",
    );
    writeFileSync(path("changed/model.safetensors"), "");
    await expect(run(on(), "changed", { data, batch: 2 })).rejects.toThrow("holds a model already");
  });
});

test("the learning rate warms up in the first epoch, then falls by epoch to its least", () => {
  const rate = { lr: 2e-4, minLr: 2e-6, lrDecay: 0.95, warmupSteps: 3000, warmupLr: 1e-6 };
  expect(rateAt(rate, { epoch: 0, index: 0 })).toBe(1e-6);
  expect(rateAt(rate, { epoch: 0, index: 1500 })).toBeCloseTo(1.005e-4, 12);
  expect(rateAt(rate, { epoch: 0, index: 9000 })).toBe(2e-4);
  expect(rateAt(rate, { epoch: 1, index: 0 })).toBeCloseTo(1.9e-4, 12);
  expect(rateAt(rate, { epoch: 10, index: 77 })).toBeCloseTo(2e-4 * 0.95 ** 10, 15);
  expect(rateAt(rate, { epoch: 200, index: 0 })).toBe(2e-6);
});

test("the slow copies' part of the targets rises over two epochs", () => {
  expect([0, 5, 10, 15].map((index) => alphaAt(0.4, { epoch: 0, index }, 20))).toEqual(
    [0, 0.05, 0.1, 0.15].map((a) => expect.closeTo(a, 12)),
  );
  expect(alphaAt(0.4, { epoch: 1, index: 10 }, 20)).toBeCloseTo(0.3, 12);
  expect(alphaAt(0.4, { epoch: 2, index: 0 }, 20)).toBe(0.4);
  expect(alphaAt(0.4, { epoch: 50, index: 3 }, 20)).toBe(0.4);
});
