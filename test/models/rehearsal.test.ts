import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, OptionError, OutOfMemoryError, openDevice } from "../../engine/index.js";
import { findLr, fitMemory, loadSplits, MissVqa, RunConfig } from "../../models/index.js";
import { sweep, sweptRates } from "../../models/training/lr-finder.js";
import { planMemory } from "../../models/training/memory-plan.js";
import { missRuns } from "./runs.js";
import { bertVocabulary, organSmoke } from "./support.js";

describe("sweep", () => {
  /** Gradient descent on x²: it falls fastest below the rate of 1, and explodes above it. */
  const descent = () => {
    let x = 10;
    return async (lr: number) => {
      const loss = x * x;
      x -= lr * 2 * x;
      return loss;
    };
  };

  test("finds where the loss falls fastest, and ends where it explodes", async () => {
    const rates = sweptRates({ from: 1e-5, to: 100, steps: 80 });
    expect(rates[1] / rates[0]).toBeCloseTo(rates[79] / rates[78], 10);
    const { lr, loss, smoothed, suggestion } = await sweep(rates, descent());
    expect([loss.length, smoothed.length]).toEqual([lr.length, lr.length]);
    expect(suggestion).toBeGreaterThan(0.01);
    expect(suggestion).toBeLessThan(1);
    expect(lr.length).toBeLessThan(80);
    expect(lr.at(-1)).toBeLessThan(100);
  });

  test("nothing is suggested where nothing falls, and what is not finite is not shown", async () => {
    expect((await sweep(sweptRates(), async () => 1)).suggestion).toBeNull();
    const rising = await sweep(sweptRates(), async (lr) => (lr > 1e-4 ? Number.NaN : 1 + lr));
    expect(rising.suggestion).toBeNull();
    expect(rising.loss.every(Number.isFinite)).toBe(true);
  });

  test("stops when it is told to; refuses ranges that are none", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(sweep(sweptRates(), descent(), signal)).rejects.toThrow("enough");
    expect(() => sweptRates({ from: 1, to: 0.1 })).toThrow(
      new OptionError("findLr: from 1 to 0.1 is no rising range above 0."),
    );
  });
});

describe("planMemory", () => {
  /** 100 MB, and 10 for each row; `more` is what larger batches need besides. */
  const device = (more = 0) => {
    const tried: number[] = [];
    const peakOf = async (batch: number) => {
      tried.push(batch);
      if (batch > 40) throw new OutOfMemoryError("no");
      return 1e6 * (100 + 10 * batch + (batch > 4 ? more : 0));
    };
    return { tried, peakOf };
  };

  test.each<[string, number, number, number, number[]]>([
    ["all of a step", 12, 500, 12, [1, 2, 12]],
    ["a divisor of the step", 12, 185, 6, [1, 2, 6]],
    ["a prime step", 13, 185, 1, [1, 2]],
    ["one row exactly", 12, 110, 1, [1, 2]],
    ["more than the device has", 80, 900, 40, [1, 2, 80, 40]],
  ])("%s", async (_, rows, limit, batch, tried) => {
    const { peakOf, tried: seen } = device();
    expect(await planMemory(rows, 1e6 * limit, peakOf)).toMatchObject({ batch, accumulate: rows / batch });
    expect(seen).toEqual(tried);
  });

  test("what needs more than two rows foretold is not taken", async () => {
    const { peakOf } = device(50);
    expect(await planMemory(12, 185e6, peakOf)).toMatchObject({ batch: 4, accumulate: 3 });
  });

  test("where one row does not fit, it says what it needs", async () => {
    await expect(planMemory(12, 100e6, device().peakOf)).rejects.toThrow(
      new OptionError(
        "`maxMemory` is 100.0 MB, and one row at a time needs 110.0 MB. Give more, or need less: a smaller model or image, frozen parts or adapters, layers computed twice.",
      ),
    );
    const none = async () => Promise.reject(new OutOfMemoryError("no"));
    await expect(planMemory(12, 1e9, none)).rejects.toThrow("needs more than the device has");
    const broken = async () => Promise.reject(new Error("broken"));
    await expect(planMemory(12, 1e9, broken)).rejects.toThrow("broken");
  });
});

describe("of MISS", () => {
  let device: Device;
  const { path, train, sameFiles } = missRuns(() => device);
  beforeAll(async () => {
    device = await openDevice("cpu");
  });
  afterAll(() => device.close());

  test("a training within a limit stays below it; what came before it leaves no trace", async () => {
    const change = { validation: 0, batch: 16, epochs: 1 } as const;
    device.pool.resetPeak();
    await train("unlimited", { change });
    const limit = 0.7 * device.memory().peak;
    const config = RunConfig.parse({ ...organSmoke, ...change });
    const { batch, accumulate } = await fitMemory(config, limit, { device, bertVocabulary });
    expect(batch * accumulate).toBe(16);
    expect(accumulate).toBeGreaterThan(1);
    expect(batch).toBeGreaterThan(1);
    await findLr(config, { device, bertVocabulary, steps: 10 });
    device.pool.resetPeak();
    await train("limited", { change: { ...change, batch, accumulate } });
    expect(device.memory().peak).toBeLessThanOrEqual(limit);
    using fresh = await openDevice("cpu");
    await train("fresh", { on: fresh, change: { ...change, batch, accumulate } });
    sameFiles("limited", "fresh");
  });

  test.each([
    ["written", { method: "generate", beams: 8 }],
    ["ranked", { method: "rank", k: 100 }],
  ] as const)("also one whose validation would take most: answers that are %s", async (name, answering) => {
    const change = { answering, adaptation: { vit: "F", jtm: "F", dec: "ia3" }, batch: 16, epochs: 1 } as const;
    device.pool.resetPeak();
    await train(`${name}-steps`, { change: { ...change, validation: 0, batch: 4, accumulate: 4 } });
    const limit = 1.05 * device.memory().peak;
    const { batch, accumulate } = await fitMemory(RunConfig.parse({ ...organSmoke, ...change }), limit, {
      ...{ device, bertVocabulary },
    });
    expect(device.memory().peak, "the trials are not counted").toBe(device.memory().live);
    const { validations } = await train(name, { change: { ...change, batch, accumulate } });
    expect(validations).toHaveLength(1);
    expect(device.memory().peak).toBeLessThanOrEqual(limit);
  });

  test("how many questions are computed at a time changes no answer", async () => {
    await train("asked", { change: { answering: { method: "generate" }, validation: 0, epochs: 1 } });
    using model = await MissVqa.load(path("asked"), { device });
    const { test: records } = await loadSplits(RunConfig.parse(organSmoke));
    const images = model.imageStore();
    await images.load(records.map(({ image }) => image));
    const [all, ...some] = await Promise.all(
      [undefined, 1, 4].map((atATime) => model.answerAll(records, images, { atATime })),
    );
    const close = all.map(({ answer, probability }) => ({ answer, probability: expect.closeTo(probability, 5) }));
    for (const found of some) expect(found).toEqual(close);
    expect(new Set(all.map(({ probability }) => probability)).size).toBeGreaterThan(1);
  });
});
