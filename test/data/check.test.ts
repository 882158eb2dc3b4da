import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { checkData, RunConfig, type RunConfigInput } from "../../models/index.js";
import { radiograph } from "../models/support.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-check-"));
afterAll(() => rmSync(folder, { recursive: true }));

for (const name of ["a.jpg", "same.jpg"]) cpSync(radiograph, join(folder, name));
writeFileSync(join(folder, "cut.jpg"), readFileSync(radiograph).subarray(0, 3000));
writeFileSync(join(folder, "text.jpg"), "no image");

const dataOf = (data: RunConfigInput["data"]) => RunConfig.shape.data.parse(data);
const check = (
  rows: readonly string[],
  options: object = {},
  head = "image,question,answer,group,split,id,answer_type",
) => {
  const file = join(folder, "rows.csv");
  writeFileSync(file, `${[head, ...rows].join("\n")}\n`);
  return checkData(dataOf({ set: "table", file }), options);
};
const texts = async (...given: Parameters<typeof check>) =>
  (await check(...given)).problems.map(({ kind, text }) => `${kind}: ${text.replaceAll(`${folder}/`, "")}`);

describe("a check of a data set", () => {
  test("lists everything at once: cells, fields, images, types, repeats and leaks", async () => {
    const found = await texts([
      "a.jpg,Is it?,yes,p1,train,1,closed",
      "a.jpg,is IT ?,Yes,p1,train,2,open",
      "a.jpg,Is it?,no,p1,train,2,closed",
      "none.jpg,Where?,left,p2,train,4,open",
      "cut.jpg,Where?,left,p3,exam,5,open",
      "cut.jpg,Where?,left,p3,test,6,open",
      "text.jpg,Where?,left,,test,7,open",
      "text.jpg,Where?,left,p4,test,8,open",
      "same.jpg,Where?,left,p5,test,9,open",
      "a.jpg,Why?",
      "a.jpg,Why?,so,p2,test,10,maybe",
      "none.jpg,What?,so,p2,test,11,open",
    ]);
    expect(found).toEqual([
      "ragged row: line 11: 2 fields, the header has 7",
      'duplicate id: "id" is that of an earlier row (line 4)',
      'split value: "split" is "exam" (line 6)',
      'empty value: "group" is empty (line 8)',
      'answer type: "answer_type" is "maybe" (line 12)',
      "image missing: 1 of 5 images are missing: none.jpg (line 5)",
      expect.stringMatching(
        /^image unreadable: 2 of 5 images cannot be read: cut\.jpg \(line 7\): .+ and text\.jpg \(line 8\): .+$/,
      ),
      "answer type: yes or no, but marked open (line 3)",
      "duplicate row: image, question and answer of an earlier row (line 3)",
      expect.stringMatching(
        /^leak: 3 of 6 test questions share with training: 2 the group, 3 the image \(line 10 \(test\) has the image of line 2 \(train\); line 12 \(test\) has the image of line 2 \(train\); line 13/,
      ),
    ]);
  });

  test("rows with another fault: their images, and what they share", async () => {
    expect(
      await texts(["none.jpg,,left,p1,train,1,", "text.jpg,Where?,,p2,train,2,", "a.jpg,,left,p1,test,3,what"]),
    ).toEqual([
      'empty value: "question" is empty (lines 2 and 4)',
      'empty value: "answer" is empty (line 3)',
      'answer type: "answer_type" is "what" (line 4)',
      "image missing: 1 of 3 images are missing: none.jpg (line 2)",
      expect.stringMatching(/^image unreadable: 1 of 3 images cannot be read: text\.jpg \(line 3\): /),
      'leak: 1 of 1 test questions share with training: 1 the group (line 4 (test) has the group "p1" of line 2 (train))',
    ]);
  });

  test("without decoding, images are only looked for", async () => {
    expect(
      await texts(["cut.jpg,Where?,left,p,train,1,open", "none.jpg,Where?,left,p,train,2,open"], { decode: false }),
    ).toEqual(["image missing: 1 of 2 images are missing: none.jpg (line 3)"]);
  });

  test("says what the rows are, and counts its way", async () => {
    const seen: string[] = [];
    const { problems, summary } = await check(
      ["a.jpg,Is it?,Yes,p1,chest", "a.jpg,Is that?,no,p1,chest", "same.jpg,Where?,left,p2,head"],
      { onProgress: (done: number, total: number) => seen.push(`${done}/${total}`) },
      "image,question,answer,group,category",
    );
    expect(problems).toEqual([]);
    expect(summary).toEqual({
      ...{ rows: { unsplit: 3 }, images: 1, groups: 2, answerTypes: { closed: 2, open: 1, unknown: 0 } },
      answers: ["left", "no", "yes"].map((name) => ({ name, count: 1 })),
      questions: [
        { name: "is", count: 2 },
        { name: "where", count: 1 },
      ],
      categories: [
        { name: "chest", count: 2 },
        { name: "head", count: 1 },
      ],
      balance: { unsplit: { yes: 1, no: 1, most: { answer: "left", share: 1 / 3 }, answers: 3, unseen: 0 } },
    });
    expect(seen).toEqual(["1/2", "2/2"]);
  });

  test("a question with two answers, each place with the other", async () => {
    expect(await texts(["a.jpg,Is it?,yes,p,train,1,", "a.jpg,Is it?,no,p,train,2,"])).toEqual([
      "duplicate row: the same question about the same image, with another answer (line 3 and line 2)",
    ]);
  });

  test("a file that cannot be read as a whole is the one problem", async () => {
    expect(await texts(['a.jpg,"Is it?,yes,p,train,1,'])).toEqual([
      "file: rows.csv:2: the quote that opens a field in this line is never closed",
    ]);
    const nothing = await checkData(dataOf({ set: "table", file: join(folder, "nothing.csv") }));
    expect(nothing).toMatchObject({ summary: null, problems: [{ kind: "file" }] });
  });

  test("published layouts: the split of VQA-RAD leaks, the organ questions are sound, SLAKE's images may be missing", async () => {
    const radFolder = resolve("data/vqa-rad");
    const rad = await checkData(dataOf({ set: "vqa-rad", folder: radFolder }), { decode: false });
    expect(rad.problems.map(({ kind }) => kind)).toEqual(["duplicate row", "duplicate row", "leak"]);
    expect(rad.summary).toMatchObject({ rows: { train: 3064, test: 451 }, images: 314 });
    const organ = await checkData(dataOf({ set: "organ", folder: radFolder }));
    expect(organ.problems).toEqual([]);

    const slake = join(folder, "slake");
    mkdirSync(join(slake, "imgs/xmlab1"), { recursive: true });
    symlinkSync(radiograph, join(slake, "imgs/xmlab1/source.jpg"));
    const row = (img_name: string, qid: number) => ({
      img_name,
      qid,
      question: "Where?",
      answer: "left",
      q_lang: "en",
    });
    writeFileSync(join(slake, "train.json"), JSON.stringify([row("xmlab1/source.jpg", 1)]));
    writeFileSync(join(slake, "test.json"), JSON.stringify([row("xmlab2/source.jpg", 2)]));
    const { problems } = await checkData(dataOf({ set: "slake", folder: slake }));
    expect(problems.map(({ text }) => text)).toEqual([
      `1 of 2 images are missing: ${slake}/imgs/xmlab2/source.jpg (row 0 (test))`,
    ]);
  });

  test("published layouts with faults: each of them, with its file, and the images and leaks of the other rows", async () => {
    const rad = join(folder, "rad");
    mkdirSync(join(rad, "images"), { recursive: true });
    symlinkSync(radiograph, join(rad, "images/a.jpg"));
    const row = (fields: object) => ({ image_name: "a.jpg", question: "Where?", answer: "left", ...fields });
    writeFileSync(
      join(rad, "trainset.json"),
      JSON.stringify([row({ qid: 1 }), row({ qid: 1 }), row({ question: "" }), 7]),
    );
    writeFileSync(
      join(rad, "testset.json"),
      JSON.stringify([row({ qid: 1 }), row({ qid: 2, image_name: "none.jpg" }), row({ answer_type: "MAYBE" })]),
    );
    const { problems, summary } = await checkData(dataOf({ set: "vqa-rad", folder: rad }));
    expect(problems.map(({ kind, text }) => `${kind}: ${text.replaceAll(`${folder}/`, "")}`)).toEqual(
      [
        'trainset.json: "qid" is that of an earlier row (item 2)',
        'trainset.json: "question" is empty (item 3)',
        "trainset.json: not an object (item 4)",
        'testset.json: "answer_type" is "MAYBE" (item 3)',
        "1 of 2 images are missing: rad/images/none.jpg (row 1 (test))",
        expect.stringContaining(
          "2 of 3 test questions share with training: 2 the image, 2 the question about the same image",
        ),
      ].map((text, i) =>
        typeof text === "string"
          ? `${["duplicate id", "empty value", "bad value", "answer type", "image missing"][i]}: ${text}`
          : text,
      ),
    );
    expect(problems[1].places).toEqual(["trainset.json, item 3"]);
    expect(summary?.rows).toEqual({ train: 1, test: 2 });
  });

  test("tables of a folder, each a part", async () => {
    const tables = join(folder, "tables");
    mkdirSync(tables);
    symlinkSync(radiograph, join(tables, "a.jpg"));
    const head = "image,question,answer";
    writeFileSync(join(tables, "train.csv"), `${head}\na.jpg,Where?,left\n`);
    writeFileSync(join(tables, "test.csv"), `${head}\na.jpg,where,right\na.jpg,,left\n`);
    const files = (["train", "test"] as const).map((part) => ({ file: join(tables, `${part}.csv`), part }));
    const { problems, summary } = await checkData({ set: "tables", folder: tables, files, options: {} });
    expect(problems.map(({ text }) => text)).toEqual([
      'test.csv: "question" is empty (line 3)',
      expect.stringContaining(
        "(line 2 (test) has the question about the same image of line 2 (train); line 3 (test) has the image of line 2 (train))",
      ),
    ]);
    expect(summary?.balance.test.unseen).toBe(1);
  });

  describe("balance of answers", () => {
    const rows = (part: string, answers: readonly string[]) =>
      answers.map(
        (answer, i) =>
          `${part === "train" ? "a" : "b"}.jpg,What is ${part} ${i}?,${answer},${part},${part},${part}${i},`,
      );
    const repeat = (answer: string, n: number) => Array.from({ length: n }, () => answer);
    writeFileSync(join(folder, "b.jpg"), Buffer.concat([readFileSync(radiograph), Buffer.from("b")]));

    test("one answer to most questions, and answers that training never has", async () => {
      expect(
        await texts([
          ...rows("train", [...repeat("left", 19), "right", "up", "down"]),
          ...rows("test", [...repeat("middle", 6), ...repeat("left", 7), ...repeat("right", 7)]),
        ]),
      ).toEqual([
        'class balance: 86.4 % of the train questions have the answer "left"',
        expect.stringMatching(
          /^class balance: 30\.0 % of the test questions have answers that no training question has \(lines 24, 25, 26, 27, 28 and 29\)$/,
        ),
      ]);
    });

    test("yes or no alone", async () => {
      const answers = [...repeat("no", 22), ...repeat("yes", 2), ...Array.from({ length: 10 }, (_, i) => `a${i}`)];
      expect(await texts(rows("train", answers))).toEqual([
        "class balance: of the 24 yes/no questions of train 91.7 % are answered no",
      ]);
    });

    test("few rows are not judged", async () => {
      expect(await texts(rows("train", repeat("left", 19)))).toEqual([]);
    });
  });
});
