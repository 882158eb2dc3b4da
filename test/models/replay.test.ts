import { readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { trainingStep } from "../../bench/suites/step.js";
import { argmax, capture, noGrad, scope, tensor } from "../../engine/index.js";
import { loadLlama } from "../../examples/stories260k/checkpoint.js";
import { KeyValueCache } from "../../examples/stories260k/model.js";
import { tryOpen } from "../support/devices.js";
import { simulated } from "../support/simulated.js";

describe.each(["cpu", "webgpu", "cuda"] as const)("replayed on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());

  // models/cuda.test.ts has a smaller model for it.
  const tooLarge = simulated ? ": too large for the simulated GPU" : "";
  test.skipIf(simulated)(
    `training steps of MISS-tiny give the losses of steps that are called${tooLarge}`,
    async () => {
      const sizes = { B: 2, Q: 6, A: 4 };
      const called = trainingStep(device, "tiny", sizes);
      const expected: number[] = [];
      for (let i = 0; i < 3; i++) {
        const loss = scope(called.run);
        expected.push(await loss.item());
        loss.dispose();
      }
      called.release();
      expect(new Set(expected).size).toBe(3);

      const replayed = trainingStep(device, "tiny", sizes);
      const step = capture(device, replayed.run);
      const found = [await step.result.item()];
      const before = device.counters();
      for (let i = 0; i < 2; i++) found.push(await step.replay().item());
      const after = device.counters();
      step.dispose();
      replayed.release();
      expect(found).toEqual(expected);
      // No op ran in JavaScript, and no kernel was compiled; what is uploaded is a learning rate and random offsets.
      expect(after.ops).toBe(before.ops);
      expect(after.programs).toBe(before.programs);
      expect(after.uploaded - before.uploaded).toBeLessThan(256);
      expect(after.launches - before.launches).toBeGreaterThan(2 * 500);
    },
    120_000,
  );

  test("decode steps of stories260k give the tokens of steps that are called", async () => {
    const file = readFileSync(new URL("../../data/stories260k/stories260K.bin", import.meta.url));
    const model = loadLlama(file, device);
    const cache = new KeyValueCache(model.config, device);
    const token = tensor([[1]], { device, dtype: "i32" });
    const step = () => noGrad(() => argmax(model.forward(token, cache, 0)));
    const replay = capture(device, step);
    const tokens = [1, 17, 403, 260, 99];
    const called: number[] = [];
    const replayed: number[] = [];
    for (const id of tokens) {
      token.write([id]);
      const next = scope(step);
      called.push(await next.item());
      next.dispose();
      replayed.push(await replay.replay().item());
    }
    expect(replayed).toEqual(called);
    expect(new Set(called).size).toBeGreaterThan(2);
    replay.dispose();
    token.dispose();
    cache[Symbol.dispose]();
    model.dispose();
  });
});
