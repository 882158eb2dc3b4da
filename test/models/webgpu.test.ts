import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { resumable } from "../../apps/cli/train/run-folder.js";
import { type Device, DeviceLostError, openDevice } from "../../engine/index.js";
import { type Answering, MissVqa, RunConfig, type TrainEvent, trainMiss } from "../../models/index.js";
import { tryOpenLosable } from "../support/losable.js";
import { bertVocabulary, organSmoke, radiograph } from "./support.js";

const probe = await tryOpenLosable();
if (typeof probe !== "string") probe.device.close();
const skip = typeof probe === "string" ? probe : "";

const folder = mkdtempSync(join(tmpdir(), "consilium-webgpu-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);

/** Two steps of 30 questions; a checkpoint after each. */
const config = RunConfig.parse({ ...organSmoke, validation: 0, epochs: 1, batch: 30 });
const train = (device: Device, out: string, onEvent?: (event: TrainEvent) => void, resume = false) =>
  trainMiss(config, { device, out: path(out), bertVocabulary, checkpointSeconds: 0, resume, onEvent });

test.skipIf(skip)(
  `a device lost in training costs no checkpoint; the run goes on where it stood ${skip}`,
  async () => {
    const whole = await openDevice("webgpu");
    const { history } = await train(whole, "whole");
    whole.close();

    const opened = await tryOpenLosable();
    if (typeof opened === "string") throw new Error(opened);
    const lost = train(opened.device, "lost", (event) => {
      if (event.type === "saved" && event.step === 1) {
        cpSync(path("lost"), path("before"), { recursive: true });
        opened.lose();
      }
    });
    const error = await resumable(lost, "the same command with --resume").catch((e) => e);
    expect(error).toBeInstanceOf(DeviceLostError);
    expect(error.message).toMatch(/go on from the last checkpoint\. Go on with: the same command with --resume$/);
    opened.device.close();
    expect(readdirSync(path("lost"))).toEqual(readdirSync(path("before")));
    for (const file of readdirSync(path("lost")))
      expect(readFileSync(join(path("lost"), file)).equals(readFileSync(join(path("before"), file))), file).toBe(true);

    const next = await openDevice("webgpu");
    const resumed = await train(next, "lost", undefined, true);
    next.close();
    expect(resumed.resumedAt).toBe(1);
    expect(resumed.history).toEqual(history);
    for (const file of ["last.safetensors", "model.safetensors"])
      expect(readFileSync(join(path("lost"), file)).equals(readFileSync(join(path("whole"), file))), file).toBe(true);
  },
  300_000,
);

test.skipIf(skip)(
  `a model that was warmed up compiles nothing when it answers ${skip}`,
  async () => {
    const answers = ["chest", "head", "abdomen", "the left side of the upper abdomen"];
    const ways: Answering[] = [
      { method: "rank", answers, k: 4, maskQuestionPads: false },
      { method: "generate", beams: 3, maxLength: 5, maskQuestionPads: false },
    ];
    for (const answering of ways) {
      const device = await openDevice("webgpu");
      const model = await MissVqa.load(path("whole"), { device });
      const steps: number[] = [];
      await model.warmUp({ answering, onProgress: (done) => steps.push(done) });
      const { programs } = device.counters();
      expect(steps.at(-1)).toBeGreaterThan(10);
      await model.answer(radiograph, "Which part of the body is shown?", { answering });
      expect(device.counters().programs, answering.method).toBe(programs);
      model.dispose();
      device.close();
    }
  },
  300_000,
);
