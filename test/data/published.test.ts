import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { ImageStore } from "../../models/data/image-store.js";
import {
  formAugmentations,
  type PublishedForm,
  publishedForms,
  publishedFormsHelp,
} from "../../models/data/published.js";
import type { VqaRecord } from "../../models/data/record.js";
import { Sampler } from "../../models/data/sampler.js";
import { loadTable, parseTable } from "../../models/data/table.js";
import { readImage } from "../../models/images/load-image.js";
import { scalings } from "../../models/miss/model-folder.js";
import { radiograph } from "../models/support.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-published-"));
afterAll(() => rmSync(folder, { recursive: true }));
const images = join(folder, "images");
mkdirSync(images);
for (const name of ["a.png", "slake_7.png"]) symlinkSync(radiograph, join(images, name));

const row = (fields: object = {}) => ({
  img_name: "a.png",
  question: "Where is it?",
  answer: "left",
  qid: 1,
  ...fields,
});
const rad = (qid: number) => ({ image_name: "a.png", question: `Where is ${qid}?`, answer: qid, qid });
const pool = (question: string) => [
  `<image>Question:{${question}}Option:{(a)left; (b)right} Answer:`,
  `<image>Question:{${question}}Option:{(a)left; (b)right} Short answer:`,
  `<image>What is it?"{${question}}"`,
];

const read = async (form: PublishedForm, content: unknown, referenceBugs = false) => {
  const file = join(folder, "rows.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return (await loadTable(file, { form, referenceBugs, imageFolder: images })).rows;
};
const problems = async (form: PublishedForm, content: unknown, referenceBugs = false) => {
  const text = typeof content === "string" ? content : JSON.stringify(content);
  return (await parseTable(text, "rows.json", { form, referenceBugs })).problems.map(({ text }) => text);
};

describe("forms of the published readers", () => {
  test.each(["slake", "ordinary", "slake-noise", "slake-swap", "slake-delete"] as const)("%s", async (form) => {
    expect(await read(form, [row(), row({ qid: 7, answer: 3, location: "Lung", answer_type: "CLOSED" })])).toEqual([
      { image: `${images}/a.png`, question: "Where is it?", answer: "left", answerType: "OPEN", qid: "1", row: 0 },
      {
        ...{ image: `${images}/a.png`, question: "Where is it?", answer: "3", answerType: "CLOSED", category: "Lung" },
        ...{ qid: "7", row: 1 },
      },
    ]);
  });

  test("rad: JSON lines, every row; with the reference's bugs the first is lost", async () => {
    const lines = [rad(1), rad(2), rad(3)].map((value) => JSON.stringify(value)).join("\n");
    expect((await read("rad", lines)).map(({ qid, line, answer }) => [qid, line, answer])).toEqual([
      ["1", 1, "1"],
      ["2", 2, "2"],
      ["3", 3, "3"],
    ]);
    expect((await read("rad", lines, true)).map(({ qid, row }) => [qid, row])).toEqual([
      ["2", 1],
      ["3", 2],
    ]);
    // The reader of an array has no such bug.
    expect(await read("tuning", [rad(1), rad(2)], true)).toHaveLength(2);
  });

  test("slake-test: the path of SLAKE becomes the flat name", async () => {
    const [found] = await read("slake-test", [row({ img_name: "xmlab7/source.jpg" })]);
    expect(found.image).toBe(`${images}/slake_7.png`);
  });

  test("instruction: a pool of prompts, of which one is drawn each time, and the question inside them", async () => {
    const [found] = await read("instruction", [
      { img_name: "a.png", qid: 5, answer: "left", question_pool: pool("Where?") },
    ]);
    expect(found).toMatchObject({ question: pool("Where?")[0], asks: "Where?", answer: "left" });
    const sampler = new Sampler(3);
    const drawn = Array.from({ length: 60 }, (_, epoch) => sampler.record(found, { epoch, row: 0 }).question);
    expect(new Set(drawn)).toEqual(new Set(pool("Where?")));
    expect(Array.from({ length: 60 }, (_, epoch) => new Sampler(3).record(found, { epoch, row: 0 }).question)).toEqual(
      drawn,
    );
    expect(new Sampler(4).record(found, { epoch: 0, row: 0 }).sample).toEqual({ epoch: 0, row: 0 });
  });

  test("rsna: a kind of question is drawn, then a pair of it, with its answer", async () => {
    const pair = (input: string, output: string) => ({ input, output });
    const [found, ...others] = await read("rsna", [
      { a: { modality: [pair("What?", "CT")], place: [pair("Where?", "left"), pair("In which lung?", "the left")] } },
    ]);
    expect(others).toEqual([]);
    expect(found).toMatchObject({ image: `${images}/a.png`, question: "What?", answer: "CT", qid: "0", row: 0 });
    const sampler = new Sampler(1);
    const counts = new Map<string, number>();
    for (let epoch = 0; epoch < 400; epoch++) {
      const { question, answer } = sampler.record(found, { epoch, row: 0 });
      const key = `${question} ${answer}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(["In which lung? the left", "What? CT", "Where? left"]);
    // Half of the draws are of the first kind, though it has one pair of three.
    expect(Math.abs((counts.get("What? CT") ?? 0) / 400 - 0.5)).toBeLessThan(0.08);
  });

  test("what readers change each time: noise, words swapped, words left out", async () => {
    const [found] = await read("slake-swap", [row({ question: "one two three four five" })]);
    const seen = (form: PublishedForm, bugs = false) => {
      const sampler = new Sampler(1, formAugmentations(form, bugs));
      return Array.from({ length: 20 }, (_, epoch) => sampler.record(found, { epoch, row: 0 }).question);
    };
    expect(new Set(seen("slake-swap")).size).toBeGreaterThan(5);
    for (const question of seen("slake-swap"))
      expect(question.split(" ").sort().join()).toBe("five,four,one,three,two");
    expect(Math.min(...seen("slake-delete").map((question) => question.split(" ").length))).toBeLessThan(5);
    expect(new Set(seen("slake")).size).toBe(1);
    expect(formAugmentations("slake-noise")).toEqual([
      { name: "gaussian-noise", p: 0.5, variance: 0.1, published: false },
    ]);
    expect(formAugmentations("slake-noise", true)).toMatchObject([{ published: true }]);
  });

  test("the reader that cannot be run says so, where its bugs are asked for", async () => {
    await expect(read("slake-delete", [row()], true)).rejects.toThrow(
      "as published it cannot be read: It cannot be run: the method that leaves out words lacks its `self`",
    );
  });

  test("each form tells what it is; the bugs are those of four readers", () => {
    expect(publishedFormsHelp.map(({ form }) => form)).toEqual(publishedForms);
    expect(publishedFormsHelp.filter(({ bug }) => bug).map(({ form }) => form)).toEqual([
      "rad",
      "slake-noise",
      "slake-delete",
    ]);
    for (const { about } of publishedFormsHelp) expect(about.length).toBeGreaterThan(10);
  });
});

describe("rows that are wrong", () => {
  test("all are told at once, with their places, and the others are there", async () => {
    const found = await parseTable(
      JSON.stringify([
        row(),
        7,
        row({ answer: "" }),
        row({ question: undefined }),
        row(),
        row({ qid: 2, answer_type: "maybe" }),
      ]),
      "rows.json",
      { form: "slake" },
    );
    expect(found.rows).toHaveLength(1);
    expect(found.problems.map(({ kind, text }) => `${kind}: ${text}`)).toEqual([
      "bad value: not an object (item 2)",
      'empty value: "answer" is empty (item 3)',
      'duplicate id: "qid" is that of an earlier row (items 3, 4 and 5)',
      'bad value: "question" is not there (item 4)',
      'answer type: "answer_type" is "maybe" (item 6)',
    ]);
    expect(found.problems[0].advice).toContain(
      "in the form slake, SLAKE: img_name, question, answer, qid; others are rad,",
    );
  });

  test.each([
    ["instruction", [row()], '"question_pool" is no list of prompts'],
    ["instruction", [row({ question_pool: ["a", " "] })], "a prompt is empty"],
    ["rsna", [{}], "no image (item 1)"],
    ["rsna", [{ a: { q: [] } }], '"a" lacks pairs'],
    ["rsna", [{ a: [] }], '"a" lacks pairs'],
    ["rsna", [{ a: { q: [{ input: "x" }] } }], '"a" lacks pairs'],
    ["rad", [row()], '"image_name" is not there'],
    ["rad", `${JSON.stringify(rad(1))}\n{"b"`, "(line 2)"],
  ] as const)("%s %j", async (form, content, text) => {
    const [found] = (await problems(form, content)).filter((problem) => problem.includes(text));
    expect(found).toBeDefined();
  });

  test("a JSON file without its form, and a text that is no list", async () => {
    await expect(parseTable("[]", "rows.json")).rejects.toThrow("Say which form the JSON has (--form)");
    await expect(parseTable("17", "rows.json", { form: "slake" })).rejects.toThrow(
      "it is neither a JSON array nor JSON lines",
    );
    await expect(parseTable("[]", "rows.json", { form: "slake" })).rejects.toThrow("rows.json: it is empty");
  });
});

test("whatever the JSON holds, there are rows and problems, or one clear error", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...publishedForms),
      fc.array(
        fc.oneof(
          fc.jsonValue(),
          fc.record(
            {
              img_name: fc.jsonValue(),
              image_name: fc.string(),
              question: fc.oneof(fc.string(), fc.integer()),
              question_pool: fc.oneof(fc.array(fc.string()), fc.jsonValue()),
              answer: fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
              qid: fc.oneof(fc.integer(), fc.constant("1")),
              __proto__: fc.jsonValue(),
            },
            { requiredKeys: [] },
          ),
          fc.dictionary(
            fc.string(),
            fc.dictionary(fc.string(), fc.array(fc.record({ input: fc.string(), output: fc.string() }))),
          ),
        ),
        { minLength: 1 },
      ),
      async (form, values) => {
        const { rows, problems } = await parseTable(JSON.stringify(values), "rows.json", { form, imageFolder: "i" });
        expect(rows.length + problems.length).toBeGreaterThan(0);
        for (const { question, answer, image } of rows) {
          for (const text of [question, answer, image]) expect(text.trim()).not.toBe("");
        }
      },
    ),
    { numRuns: 500 },
  );
});

describe("images that training changes", () => {
  const record: VqaRecord = { image: "x", question: "a", answer: "b", qid: "0", row: 0 };

  test("are drawn from the whole image, by epoch and row; what is measured is not changed", async () => {
    const image = await readImage(radiograph);
    const store = new ImageStore(24, scalings.ordinary, new Sampler(1, [...formAugmentations("slake-noise")]));
    store.add("x", image);
    const plain = new ImageStore(24, scalings.ordinary);
    plain.add("x", image);
    expect(store.batch(["x"])).toEqual(plain.batch(["x"]));
    const seen = (epoch: number, row: number) => {
      const { sample } = store.sampler.record(record, { epoch, row });
      return Buffer.from(store.batch(["x"], [sample]).buffer).toString("base64");
    };
    const epochs = Array.from({ length: 8 }, (_, epoch) => seen(epoch, 0));
    expect(epochs).toEqual(Array.from({ length: 8 }, (_, epoch) => seen(epoch, 0)));
    // Half of them have noise, of their own each.
    expect(new Set(epochs).size).toBeGreaterThan(2);
    expect(new Set(epochs).size).toBeLessThan(8);
  });
});
