import { execFileSync } from "node:child_process";
import { appendFileSync, cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/index.js";
import type { LogLine } from "../../models/index.js";
import { crc32c } from "../../models/training/log/crc32c.js";
import { EVENT_FILE, fileHead, records, scalarRecord } from "../../models/training/log/event-file.js";
import { LOG_FILE } from "../../models/training/log/run-log.js";
import { atStep, missRuns } from "./runs.js";

const ascii = (text: string) => new TextEncoder().encode(text);

describe("event files", () => {
  test("CRC-32C by the vectors of RFC 3720 and the usual check value", () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(ascii("123456789"))).toBe(0xe3069283);
  });

  // What tensorboard 2.21 writes of the same events (RecordWriter, Event.SerializeToString).
  const head = "1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a322b353110";
  const scalars =
    "3200000000000000241956ec0900002040fc54d94110ac022a240a110a0a747261696e2f6c6f7373150000803e" +
    "0a0f0a08747261696e2f6c72156f12833aecba3cf2";
  const wallTime = 1700000000.5;

  test("are those that TensorBoard itself would write", () => {
    const event = { wallTime, step: 300, scalars: { "train/loss": 0.25, "train/lr": 1e-3 } };
    expect(Buffer.from(fileHead(wallTime)).toString("hex")).toBe(head);
    expect(Buffer.from(scalarRecord(event)).toString("hex")).toBe(scalars);
  });

  test("are read as far as they are whole", () => {
    const file = Buffer.from(head + scalars, "hex");
    const all = [
      { offset: 0, end: 40, step: 0, tags: [] },
      { offset: 40, end: 106, step: 300, tags: ["train/loss", "train/lr"] },
    ];
    expect([...records(file)]).toEqual(all);
    for (let length = 40; length < 106; length++) expect([...records(file.subarray(0, length))]).toEqual([all[0]]);
    for (let at = 40; at < 106; at++) {
      const changed = Uint8Array.from(file);
      changed[at] ^= 4;
      expect([...records(changed)]).toEqual([all[0]]);
    }
  });
});

describe("the logs of a run", () => {
  let device: Device;
  const { path, train } = missRuns(() => device);
  const change = { imageSize: 16, validateEverySteps: 2 } as const;
  const lines = (name: string): LogLine[] =>
    readFileSync(join(path(name), LOG_FILE), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
  /** Without what the clock says. */
  const timeless = (name: string) =>
    lines(name).map((line) => (line.type === "step" ? { ...line, seconds: null, waited: null } : line));
  const events = (name: string) => [...records(readFileSync(join(path(name), EVENT_FILE)))];
  const sameLogs = (name: string) => {
    expect(timeless(name)).toEqual(timeless("whole"));
    expect(events(name)).toEqual(events("whole"));
  };

  beforeAll(async () => {
    device = await openDevice("cpu");
    await train("whole", { change });
  });
  afterAll(() => device.close());

  test("a line for each step and validation, in order, with the run's own numbers", async () => {
    const { history, validations } = await train("numbers", { change });
    const all = lines("numbers");
    expect(all.map(({ type, step }) => [type, step])).toEqual(
      [1, 2, 3, 4, 5, 6].flatMap((step) =>
        step % 2 === 0
          ? [
              ["step", step],
              ["validation", step],
            ]
          : [["step", step]],
      ),
    );
    expect(all.flatMap((line) => (line.type === "step" ? [line.loss] : []))).toEqual(history.loss);
    expect(all.flatMap((line) => (line.type === "step" ? [line.lr] : []))).toEqual(history.lr);
    // Three steps each: the validation behind the second is of the first, that behind the fourth of the second.
    const epochs = (type: LogLine["type"]) => all.flatMap((line) => (line.type === type ? [line.epoch] : []));
    expect(epochs("step")).toEqual([1, 1, 1, 2, 2, 2]);
    expect(epochs("validation")).toEqual([1, 2, 2]);
    const measured = all.flatMap((line) => (line.type === "validation" ? [line] : []));
    expect(measured).toEqual(validations.map((validation) => ({ type: "validation", ...validation })));
    for (const line of all) if (line.type === "step") expect(line.seconds).toBeGreaterThan(0);
    expect(events("numbers").map(({ step, tags }) => [step, tags[0]])).toEqual([
      [0, undefined],
      ...all.map(({ type, step }) => [step, type === "step" ? "train/loss" : "validation/accuracy"]),
    ]);
  });

  test.each([2, 3, 5, 6])("stopped at step %i and resumed, they are those of a run that was not", async (step) => {
    const name = `stopped-${step}`;
    expect(await train(name, { change, stop: atStep(step) })).toMatchObject({ interrupted: true });
    await train(name, { change, resume: true });
    sameLogs(name);
  });

  test("killed after more steps than its checkpoint has: they come once, and half a line goes", async () => {
    await train("killed", { change, stop: atStep(3) });
    cpSync(path("killed"), path("later"), { recursive: true });
    await train("later", { change, resume: true });
    for (const file of [LOG_FILE, EVENT_FILE]) cpSync(join(path("later"), file), join(path("killed"), file));
    appendFileSync(join(path("killed"), LOG_FILE), '{"type":"step","step":7,"ep');
    appendFileSync(join(path("killed"), EVENT_FILE), Buffer.from([50, 0, 0, 0]));
    await train("killed", { change, resume: true });
    sameLogs("killed");
  });

  test("where a log is gone, it begins where the run goes on", async () => {
    await train("gone", { change, stop: atStep(4) });
    for (const file of [LOG_FILE, EVENT_FILE]) rmSync(join(path("gone"), file));
    const { resumedAt } = await train("gone", { change, resume: true });
    expect(lines("gone")).toEqual(lines("gone").filter(({ step }) => step >= resumedAt));
    expect(events("gone")[0]).toMatchObject({ step: 0, tags: [] });
  });

  const python = process.env.CONSILIUM_TENSORBOARD;
  test.skipIf(!python)("TensorBoard reads them (CONSILIUM_TENSORBOARD names a Python that has it)", () => {
    const script = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = EventAccumulator(sys.argv[1]); found.Reload()
print(json.dumps({tag: [[e.step, e.value] for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}))`;
    const found = JSON.parse(execFileSync(python as string, ["-c", script, path("whole")], { encoding: "utf8" }));
    const steps = lines("whole").filter((line) => line.type === "step");
    expect(Object.keys(found).sort()).toEqual([
      "time/seconds_per_step",
      "time/waited_for_data",
      "train/loss",
      "train/lr",
      "validation/accuracy",
      "validation/loss",
    ]);
    expect(found["train/loss"]).toEqual(steps.map(({ step, loss }) => [step, Math.fround(loss as number)]));
    expect(found["validation/loss"].map(([step]: [number]) => step)).toEqual([2, 4, 6]);
  });
});
