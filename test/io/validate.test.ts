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

const nested = (depth: number) => Array.from({ length: depth }).reduce((inner: unknown) => [inner], 0);

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
    "model: 3 is not text",
    'stages[1].epoch: unknown key; did you mean "epochs"?',
    "training.batchSize: -1 is not a whole number from 1",
    'training.batchsize: unknown key; did you mean "batchSize"?',
    'training.learningRate: "fast" is not a number',
  ]);
});

test("of a union, the branch that was meant is described, or all of them", async () => {
  const schedule = { kind: "cosine", warmupSteps: 5, warmup: 1 };
  await expectFormatError(() => parseWith(Config, { model: "m", schedule }, "c"), /schedule\.warmup: unknown key/);
  await expectFormatError(
    () => parseWith(Config, { model: "m", limit: true }, "c"),
    /limit: true is not a number or all$/,
  );
});

test("the top itself, and long lists", async () => {
  await expectFormatError(() => parseWith(Config, 5, "c"), /1 problem in its values.*\n.*\(top\): /);
  const many = Array.from({ length: 30 }, () => "x");
  await expectFormatError(() => parseWith(z.array(z.number()), many, "c"), /30 problems[\s\S]*and 10 more$/);
});

test.each<[string, z.ZodType, unknown, string]>([
  ["a range", z.number().min(0).max(0.9), 2, "2 is not a number from 0 to 0.9"],
  ["an open end", z.number().positive().max(1), 0, "0 is not a number above 0 up to 1"],
  ["a whole number", z.int().min(0), 1.5, "1.5 is not a whole number from 0"],
  ["no number", z.number(), Number.NaN, "NaN is not a number"],
  ["a flat list", z.number(), [1, "a"], '[1,"a"] is not a number'],
  ["what is nested too deep for JSON.stringify", z.number(), nested(100_000), "a list of 1 is not a number"],
  ["choices", z.enum(["f32", "bf16", "f16"]).default("f32"), "f64", '"f64" is not f32, bf16 or f16'],
  ["a switch", z.boolean(), "perhaps", '"perhaps" is not yes or no (true or false)'],
  ["nothing", z.number().positive(), undefined, "missing: a number above 0"],
  ["a list", z.array(z.string()).min(1), [], "[] is not a list that is not empty"],
  ["numbers of a list", z.tuple([z.number(), z.number()]), 3, "3 is not a list of 2"],
  ["a text", z.string().min(1), "", '"" is not text that is not empty'],
  ["a form", z.string().regex(/^[0-9a-f]+$/), "xyz", '"xyz" is not text of the form /^[0-9a-f]+$/'],
  [
    "several types",
    z.union([z.literal("all"), z.int().positive()]),
    "some",
    '"some" is not all or a whole number from 1',
  ],
  ["its own words", z.number().min(2, { error: "a pair alone: 2 or more" }), 1, "a pair alone: 2 or more"],
  ["a changed value", z.preprocess((value) => value, z.number()), "x", '"x" is not a number'],
  ["a long text", z.number(), "x".repeat(99), `"${"x".repeat(39)}... is not a number`],
])("what was found and what is allowed: %s", async (_, schema, key, said) => {
  const { advice } = await expectFormatError(() => parseWith(z.object({ key: schema }), { key }, "c"), /1 problem/);
  expect(advice).toBe(`Correct:\n  - key: ${said}`);
});

test("which of several forms an object has is one choice of all", async () => {
  const form = z.discriminatedUnion("set", [
    z.object({ set: z.enum(["organ", "slake"]) }),
    z.object({ set: z.literal("table"), file: z.string() }),
  ]);
  const said = (value: unknown) =>
    expectFormatError(() => parseWith(z.object({ data: form }), value, "c"), /1 problem/);
  expect((await said({ data: { set: "none" } })).advice).toContain('data.set: "none" is not organ, slake or table');
  expect((await said({ data: { set: "table" } })).advice).toContain("data.file: missing: text");
});
