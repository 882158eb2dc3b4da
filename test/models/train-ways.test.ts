import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, io, openDevice } from "../../engine/index.js";
import type { TrainEvent } from "../../models/index.js";
import { atStep, missRuns } from "./runs.js";

let device: Device;
const { path, train, sameFiles } = missRuns(() => device);
beforeAll(async () => {
  device = await openDevice("cpu");
});
afterAll(() => device.close());

/** 42 questions. */
const STILL = { dropout: 0, dropPath: 0, validation: 0, imageSize: 16, epochs: 1 } as const;

describe("accumulate", () => {
  const weights = async (name: string) => {
    await using reader = await io.openCheckpoint(path(name));
    // Keys have no gradient for their bias but rounding noise, which AdamW makes steps of.
    const sound = reader.names.filter((key) => !/(key|qkv)\.bias$/.test(key));
    return Promise.all(sound.map((key) => io.readFloat32(reader.get(key))));
  };

  // The last step has 12 questions: batches of 5, 5 and 2.
  test("on reference, three batches of a step are one batch of all their questions", async () => {
    using on = await openDevice("reference");
    const whole = await train("one", { on, change: { ...STILL, batch: 15 } });
    const parts = await train("three", { on, change: { ...STILL, batch: 5, accumulate: 3 } });
    expect(parts.steps).toBe(whole.steps);
    for (const [i, loss] of whole.history.loss.entries())
      expect(Math.abs(parts.history.loss[i] / loss - 1)).toBeLessThan(1e-6);
    const [a, b] = [await weights("one"), await weights("three")];
    // Steps of 1e-3: so near are their directions.
    for (const [i, values] of a.entries()) {
      const apart = values.reduce((most, value, j) => Math.max(most, Math.abs(value - b[i][j])), 0);
      expect(apart).toBeLessThan(3e-5);
    }
  });

  test("clipped, checkpointed and in bf16, stopped and resumed: the bits of a run that was not", async () => {
    const change = {
      batch: 8,
      accumulate: 2,
      clipNorm: 0.5,
      checkpointBlocks: 2,
      precision: "bf16",
      imageSize: 16,
    } as const;
    await train("bf16-whole", { change });
    expect(await train("bf16", { change, stop: atStep(2) })).toMatchObject({ interrupted: true, steps: 2 });
    await train("bf16", { change, resume: true });
    sameFiles("bf16", "bf16-whole");
  });

  test("takes less memory than one batch", async () => {
    const peakOf = async (name: string, batch: number, accumulate: number) => {
      device.pool.resetPeak();
      await train(name, { change: { ...STILL, imageSize: 64, batch, accumulate } });
      return device.memory().peak;
    };
    expect(await peakOf("parts", 6, 8)).toBeLessThan(0.5 * (await peakOf("all", 48, 1)));
  });
});

describe("validation by steps, and patience", () => {
  const change = { validateEverySteps: 2, patience: 2, epochs: 6, lr: 1e-5, imageSize: 16, batch: 16 } as const;

  test("it ends when validations get no better; stopped anywhere and resumed, with the same bits", async () => {
    const events: TrainEvent[] = [];
    const hear = (event: TrainEvent) => {
      events.push(event);
      return false;
    };
    const whole = await train("patient", { change, stop: hear });
    const { validations, best } = whole;
    expect(validations.map(({ step }) => step)).toEqual(validations.map((_, i) => 2 * (i + 1)));
    expect(whole.steps).toBeLessThan(18);
    expect(whole).toMatchObject({ interrupted: false, steps: validations.at(-1)?.step });
    expect(best).toEqual(validations.at(-3));
    expect(events).toContainEqual({ type: "enough", step: whole.steps, best: best?.step });
    for (const at of [2, 3, whole.steps]) {
      const name = `patient-${at}`;
      // A stop in the step before a validation comes before it.
      const stopped = await train(name, { change, stop: atStep(at) });
      expect([at, at - 1]).toContain(stopped.interrupted && stopped.steps);
      const resumed = await train(name, { change, resume: true });
      expect(resumed).toMatchObject({
        interrupted: false,
        resumedAt: stopped.steps,
        validations,
        best,
        history: whole.history,
      });
      sameFiles(name, "patient");
    }
    // Finished, it stays so.
    expect(await train("patient", { change, resume: true })).toMatchObject({ resumedAt: whole.steps, validations });
    sameFiles("patient", "patient-2");
  });

  test("the end is measured, though no step counts to it", async () => {
    const { validations, steps } = await train("end", { change: { ...change, patience: undefined, epochs: 1 } });
    expect([steps, validations.map(({ step }) => step)]).toEqual([3, [2, 3]]);
  });

  test.each(["validateEverySteps", "patience"])("%s without anything held back is refused", async (key) => {
    await expect(train("nothing", { change: { validation: 0, [key]: 2 } })).rejects.toThrow(
      `\`${key}\` is about validations, and nothing is held back. Give \`validation\` a share.`,
    );
  });
});
