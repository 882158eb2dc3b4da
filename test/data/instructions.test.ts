import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { formatInstructions, instructionsOf } from "../../models/data/instructions.js";
import { questionKey, type VqaRecord } from "../../models/data/record.js";
import { loadTable } from "../../models/data/table.js";
import { loadVqaRad } from "../../models/data/vqa-rad.js";
import { loadSplits } from "../../models/miss/datasets.js";
import { RunConfig } from "../../models/miss/run-config.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-instructions-"));
afterAll(() => rmSync(folder, { recursive: true }));
const radFolder = resolve("data/vqa-rad");

const record = (question: string, answer: string, row: number): VqaRecord => ({
  ...{ image: "images/a.png", question, answer, qid: `q${row}`, row },
});

test("five prompts, four of them with options; a sixth where the answer is yes or no", () => {
  const found = instructionsOf(
    [
      record("Where is {it}?", "left {lung}", 0),
      record("Where is the heart?", "in the middle", 1),
      record("Where was it?", "right lung", 2),
      record("What is it?", "a tube", 3),
      record("Where is air?", "Left {lung} ", 4),
      record("Is it?", "Yes", 5),
      record("Is that?", "no ", 6),
      record("Is this?", "NO", 7),
    ],
    { imageFolder: "images", seed: 1 },
  );
  expect(found.map(({ question_pool }) => question_pool.length)).toEqual([5, 5, 5, 5, 5, 6, 6, 6]);
  expect(found[0]).toMatchObject({ img_name: "a.png", qid: "q0", answer: "left {lung}" });
  for (const { question_pool } of found) {
    expect(question_pool.filter((prompt) => prompt.includes("}Option:{(a)"))).toHaveLength(4);
    for (const prompt of question_pool) expect(prompt.startsWith("<image>")).toBe(true);
  }
  const options = (row: number) => /Option:\{(.*?)\}/.exec(found[row].question_pool[0])?.[1].split("; ") ?? [];
  const texts = (row: number) => options(row).map((option) => option.replace(/^\([a-d]\)/, ""));
  // Its own answer stands once, whatever its case and blanks, and braces are round; then those of questions that begin alike.
  expect(texts(0).sort()).toEqual(["a tube", "in the middle", "left (lung)", "right lung"]);
  expect(options(0).map((option) => option.slice(0, 3))).toEqual(["(a)", "(b)", "(c)", "(d)"]);
  // Letter case does not tell which is the answer.
  expect([5, 6, 7].map((row) => texts(row).sort())).toEqual([
    ["No", "Yes"],
    ["no", "yes"],
    ["NO", "YES"],
  ]);
});

test("the same seed gives the same options, another one others", async () => {
  const { train } = await loadVqaRad(radFolder);
  const of = (seed: number) => formatInstructions(instructionsOf(train, { imageFolder: radFolder, seed }));
  expect(of(1)).toBe(of(1));
  expect(of(1)).not.toBe(of(2));
});

test("read back, every question is found inside its prompts, and the right answer is among the options", async () => {
  const { train } = await loadVqaRad(radFolder);
  const file = join(folder, "rad.json");
  const instructions = instructionsOf(train, { imageFolder: radFolder, seed: 1 });
  writeFileSync(file, formatInstructions(instructions));
  const { rows } = await loadTable(file, { form: "instruction", imageFolder: radFolder });
  expect(rows.map(({ image }) => image)).toEqual(train.map(({ image }) => image));
  expect(rows.map(questionKey)).toEqual(train.map(questionKey));
  expect(rows.map(({ qid }) => qid)).toEqual(train.map(({ qid }) => qid));
  for (const { answer, question_pool } of instructions)
    expect(question_pool[0]).toContain(`)${answer.replaceAll("{", "(").replaceAll("}", ")").trim()}`);
});

test("instructions made of test questions are refused beside them; allowed, the leak is known", async () => {
  const { train, test: asked } = await loadVqaRad(radFolder);
  const file = join(folder, "leaky.json");
  // As the published file: all but two of the test questions are in it.
  const mixed = [...train.slice(0, 100), ...asked.slice(0, -2)].map((row, i) => ({ ...row, qid: `m${i}` }));
  writeFileSync(file, formatInstructions(instructionsOf(mixed, { imageFolder: radFolder, seed: 1 })));
  const run = (allowLeak: boolean) =>
    RunConfig.parse({
      data: {
        ...{ set: "table", file, form: "instruction", images: radFolder, allowLeak },
        test: { file: join(radFolder, "testset.json"), form: "rad", images: join(radFolder, "images") },
      },
      epochs: 1,
    });
  await expect(loadSplits(run(false))).rejects.toThrow(
    /leaky\.json: 451 evaluation rows overlap with training.*--allow-leak/s,
  );
  const splits = await loadSplits(run(true));
  expect([splits.train.length, splits.validation.length, splits.test.length]).toEqual([549, 0, 451]);
  const same = splits.leak?.rows.filter(({ shares }) => shares.includes("question")) ?? [];
  expect(same.length).toBeGreaterThanOrEqual(449);
  expect(splits.data).toMatchObject({ test: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } });
});
