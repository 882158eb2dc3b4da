import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Device } from "../../engine/index.js";
import type { MedMoeTrainEvent } from "../../models/index.js";
import { SquareImages } from "../../models/med-moe/input/square-images.js";
import { tryOpen } from "../support/devices.js";
import { atStep, images, medMoeRuns, type Row, rows, said } from "../support/med-moe-runs.js";

/** Runs that are stopped and go on: whatever stops them, and wherever. */
const { path, dataOf, train, bytes, instruct, moe } = await medMoeRuns();
afterEach(() => {
  vi.restoreAllMocks();
});

const lora = { targets: "all", r: 2, alpha: 4, dropout: 0.1 } as const;
describe("stopped and resumed, a run has the bits of one that was not", () => {
  test.each<[string, () => ReturnType<typeof moe> | ReturnType<typeof instruct>]>([
    ["adapters with dropout, stablelm", () => moe("stablelm", { lora })],
    ["adapters with dropout, phi", () => moe("phi", { lora })],
    ["bf16", () => moe("stablelm", { precision: "bf16" })],
    // The last step of an epoch has two.
    ["three batches a step", () => instruct({ batch: 1, accumulate: 3 })],
    ["noise in the second choice, routers trained", () => moe("phi", { topK: 2, trainRouter: true, auxLoss: 0.01 })],
  ])("%s", async (name, input) => {
    const whole = await train(`${name} whole`, input());
    // The next step is on its way by then.
    const stopped = await train(name, input(), { stop: atStep(4) });
    expect([stopped.interrupted, stopped.steps, whole.steps]).toEqual([true, 5, 6]);
    const resumed = await train(name, input(), { resume: true });
    expect([resumed.interrupted, resumed.resumedAt]).toEqual([false, 5]);
    expect(resumed.history).toEqual(whole.history);
    expect(bytes(name, "model.safetensors").equals(bytes(`${name} whole`, "model.safetensors"))).toBe(true);
  });
});

/** Aborts within the n-th reading of images, counted from 1, before its first is read. */
function abortInReading(n: number, when: Promise<unknown> = Promise.resolve()): AbortController {
  const stopping = new AbortController();
  const { read } = SquareImages.prototype;
  let calls = 0;
  vi.spyOn(SquareImages.prototype, "read").mockImplementation(async function (this: SquareImages, ...given) {
    if (++calls === n) {
      await when;
      stopping.abort();
    }
    return read.apply(this, given);
  });
  return stopping;
}

describe("a stop while images are read", () => {
  test("keeps the steps before it", async () => {
    const input = instruct({ data: dataOf("eighteen.json", rows), batch: 6 });
    const whole = await train("read-whole", input);
    let secondStep = () => {};
    const second = new Promise<void>((resolve) => {
      secondStep = resolve;
    });
    // The probe reads first, then each step; the third step's images come while nothing else is under way.
    const stopping = abortInReading(
      4,
      second.then(() => new Promise((resolve) => setTimeout(resolve, 50))),
    );
    const stop = (event: MedMoeTrainEvent) => {
      if (atStep(2)(event)) secondStep();
      return false;
    };
    const stopped = await train("read", input, { stopping, stop });
    expect(stopped.interrupted).toBe(true);
    expect([2, 3]).toContain(stopped.steps);
    vi.restoreAllMocks();
    const resumed = await train("read", input, { resume: true });
    expect(resumed.resumedAt).toBe(stopped.steps);
    expect(resumed.history).toEqual(whole.history);
  });

  test("keeps them where the images are those of a validation, which is measured later", async () => {
    const input = instruct({ validation: 0.4, batch: 1 });
    const whole = await train("measured-whole", input);
    const perEpoch = whole.steps / 2;
    const stopping = abortInReading(1 + perEpoch + 1);
    const stopped = await train("measured", input, { stopping });
    expect([stopped.interrupted, stopped.steps, stopped.validations]).toEqual([true, perEpoch, []]);
    vi.restoreAllMocks();
    const resumed = await train("measured", input, { resume: true });
    expect(resumed.validations).toEqual(whole.validations);
    expect(resumed.history).toEqual(whole.history);
  });

  test("keeps a router's features", async () => {
    const input = { stage: "router", model: path("stablelm"), epochs: 2 } as const;
    const stopped = await train("features", input, { stopping: abortInReading(5) });
    expect([stopped.interrupted, stopped.steps]).toEqual([true, 5]);
  });
});

test.each([
  // Between the steps of an epoch the next is on its way already.
  [1, 2],
  [2, 2],
  [3, 4],
  [4, 4],
])("a stop at step %i, after the last of an epoch, %i: its validation comes when the run goes on", async (at, done) => {
  const input = instruct({ validation: 0.2 });
  const whole = await train(`epoch-whole-${at}`, input);
  expect([whole.steps, whole.validations.map(({ epoch }) => epoch)]).toEqual([4, [1, 2]]);
  const stopped = await train(`epoch-${at}`, input, { stop: atStep(at) });
  expect([stopped.interrupted, stopped.steps, stopped.validations.length]).toEqual([true, done, done / 2 - 1]);
  const resumed = await train(`epoch-${at}`, input, { resume: true });
  expect(resumed.interrupted).toBe(false);
  expect(resumed.validations).toEqual(whole.validations);
  const weights = (name: string) => bytes(name, "model.safetensors");
  expect(weights(`epoch-${at}`).equals(weights(`epoch-whole-${at}`))).toBe(true);
});

test("held-back conversations with nothing to learn are no measurement", async () => {
  const question = { from: "human", value: `<image>\n${"lung ".repeat(300)}` };
  const [learned, ...others] = rows.slice(0, 4);
  const items = [learned, ...others.map((row) => ({ ...row, conversations: [question, row.conversations[1]] }))];
  // One image of four is held back: with this seed not the first.
  const input = instruct({ data: dataOf("behind.json", items), validation: 0.25, maxLength: 200, epochs: 2, seed: 1 });
  const { validations, events } = await train("behind", input, { stop: atStep(1) });
  expect(validations).toEqual([]);
  const { events: later } = await train("behind", input, { resume: true });
  const warnings = [...events, ...later].flatMap((event) => (event.type === "warning" ? [event.text] : []));
  expect(warnings).toContainEqual(expect.stringContaining("the held-back conversations have no loss (NaN)"));
});

test("images that cannot be read end a run after a checkpoint of the steps before", async () => {
  const broken = path("broken.jpg");
  const whole = join(images, rows[7].image);
  // Its header, which is looked at before the run begins, is whole.
  writeFileSync(broken, readFileSync(whole).subarray(0, 3000));
  const data = dataOf("broken.json", [...rows.slice(0, 7), { ...rows[7], image: broken }]);
  const input = instruct({ data, batch: 1, epochs: 1, seed: 1 });
  await expect(train("broken", input)).rejects.toThrow(broken);
  cpSync(whole, broken);
  const resumed = await train("broken", input, { resume: true });
  expect(resumed.resumedAt).toBeGreaterThan(0);
  expect(resumed.history).toEqual((await train("sound", input)).history);
});

describe("the router's stage", () => {
  const input = (more: object = {}) =>
    ({ stage: "router", model: path("stablelm"), epochs: 3, accumulate: 4, validation: 0.3, ...more }) as const;
  const atFeature = (n: number) => (event: MedMoeTrainEvent) => event.type === "features" && event.done === n;

  test("stopped and resumed it has the bits of one that was not", async () => {
    const whole = await train("router-whole", input());
    const stopped = await train("router", input(), { stop: atFeature(3) });
    expect([stopped.interrupted, stopped.steps]).toEqual([true, 3]);
    const resumed = await train("router", input(), { resume: true });
    expect([resumed.resumedAt, resumed.history, resumed.router]).toEqual([3, whole.history, whole.router]);
    expect(bytes("router", "router.pth").equals(bytes("router-whole", "router.pth"))).toBe(true);
  });

  test("warns where other arithmetic goes on", async () => {
    await train("router-other", input(), { stop: atFeature(6) });
    const { device } = await tryOpen("reference");
    using reference = device as Device;
    const { events } = await train("router-other", input(), { resume: true, device: reference });
    const warnings = events.flatMap((event) => (event.type === "warning" ? [event.text] : []));
    expect(warnings).toEqual([expect.stringContaining("its bits are not those of an uninterrupted one")]);
  });

  test("does not go on with other modalities", async () => {
    const data = dataOf("modalities.json", rows.slice(0, 8));
    await train("router-changed", input({ data }), { stop: atFeature(3) });
    dataOf(
      "modalities.json",
      rows.slice(0, 8).map((row, i) => (i === 5 ? { ...row, modality: "CT" } : row)),
    );
    await expect(train("router-changed", input({ data }), { resume: true })).rejects.toThrow(
      /modalities\.json: its conversations have changed since the run began \(SHA-256 .* then, .* now\)\. Put them back/,
    );
  });
});

test.each<[string, (all: readonly Row[]) => readonly Row[]]>([
  ["another answer", ([first, ...others]) => [said(first, "nothing"), ...others]],
  ["another order", (all) => all.toReversed()],
  ["a row less", (all) => all.slice(1)],
])("tuning does not go on with other data: %s", async (name, change) => {
  const data = dataOf("changing.json", rows.slice(0, 8));
  await train(name, instruct({ data }), { stop: atStep(1) });
  dataOf("changing.json", change(rows.slice(0, 8)));
  const again = train(name, instruct({ data }), { resume: true });
  await expect(again).rejects.toThrow("its conversations have changed since the run began");
});
