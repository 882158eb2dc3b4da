import { expect, test } from "vitest";
import { z } from "zod";
import { parseWith } from "../../engine/io/validate.js";
import { expectFormatError } from "./support/expect-error.js";

const Schedule = z.union([
  z.strictObject({ kind: z.literal("constant") }),
  z.strictObject({ kind: z.literal("cosine"), warmupSteps: z.number() }),
]);
const Config = z.strictObject({
  model: z.string(),
  training: z.strictObject({ batchSize: z.number().int().positive(), learningRate: z.number() }).optional(),
  stages: z.array(z.strictObject({ epochs: z.number() })).default([]),
  experts: z.record(z.string(), z.strictObject({ width: z.number() })).optional(),
  schedule: Schedule.optional(),
  limit: z.union([z.number(), z.literal("all")]).optional(),
});

test("a sound value comes back with defaults filled in and types known", () => {
  const config: z.infer<typeof Config> = parseWith(Config, { model: "tiny" }, "c.json");
  expect(config).toEqual({ model: "tiny", stages: [] });
});

test("every problem is listed, with its path and the nearest known key", async () => {
  const value = {
    model: 3,
    training: { batchsize: 4, batchSize: -1, learningRate: "fast" },
    stages: [{ epochs: 1 }, { epoch: 2, epochs: 2 }],
    experts: { left: { widht: 1, width: 1 } },
    colour: "red",
  };
  const error = await expectFormatError(() => parseWith(Config, value, "c.json"), /^c\.json: 7 problems/);
  expect(error.advice.split("\n  - ").slice(1).sort()).toEqual([
    "colour: unknown key",
    'experts.left.widht: unknown key; did you mean "width"?',
    "model: expected string, received number",
    'stages[1].epoch: unknown key; did you mean "epochs"?',
    "training.batchSize: Too small: expected number to be >0",
    'training.batchsize: unknown key; did you mean "batchSize"?',
    "training.learningRate: expected number, received string",
  ]);
});

test("of a union, the branch that was meant is described, or all of them", async () => {
  const schedule = { kind: "cosine", warmupSteps: 5, warmup: 1 };
  await expectFormatError(() => parseWith(Config, { model: "m", schedule }, "c"), /schedule\.warmup: unknown key/);
  await expectFormatError(
    () => parseWith(Config, { model: "m", limit: true }, "c"),
    /limit: expected number.*, or expected "all"/,
  );
});

test("the top itself, and long lists", async () => {
  await expectFormatError(() => parseWith(Config, 5, "c"), /1 problem in its values.*\n.*\(top\): /);
  const many = Array.from({ length: 30 }, () => "x");
  await expectFormatError(() => parseWith(z.array(z.number()), many, "c"), /30 problems[\s\S]*and 10 more$/);
});
