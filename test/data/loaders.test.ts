import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadSlake } from "../../models/data/slake.js";
import { loadOrgan, loadVqaRad, loadVqaRadFile, loadVqaRadSmoke } from "../../models/data/vqa-rad.js";

const RAD = "data/vqa-rad";
const distinct = <T>(values: readonly T[]) => new Set(values).size;

describe("VQA-RAD", () => {
  test("3064 and 451 questions about 314 and 203 images", async () => {
    const { train, test } = await loadVqaRad(RAD);
    expect([train.length, test.length]).toEqual([3064, 451]);
    expect([distinct(train.map((r) => r.image)), distinct(test.map((r) => r.image))]).toEqual([314, 203]);
    expect(train[0]).toEqual({
      image: "data/vqa-rad/images/synpic54610.jpg",
      question: "Are regions of the brain infarcted?",
      answer: "Yes",
      answerType: "CLOSED",
      category: "HEAD",
      qid: "1",
      row: 0,
    });
  });

  test('answer types, "CLOSED " with a blank among them, and integer answers as text', async () => {
    const { train, test } = await loadVqaRad(RAD);
    const closed = (rows: typeof train) => rows.filter((r) => r.answerType === "CLOSED").length;
    expect([closed(train), closed(test)]).toEqual([1823, 272]);
    expect(train.filter((r) => /^\d+$/.test(r.answer)).length).toBeGreaterThanOrEqual(10);
    expect(train.every((r) => typeof r.answer === "string" && r.answer !== "")).toBe(true);
  });

  test("smoke: 155 and 107 questions about 24 images", async () => {
    const { train, test } = await loadVqaRadSmoke(RAD);
    expect([train.length, test.length]).toEqual([155, 107]);
    expect(distinct([...train, ...test].map((r) => r.image))).toBe(24);
  });

  test("organ: 942 questions, 250 and 64 images, no image in both", async () => {
    const { train, test } = await loadOrgan(RAD);
    expect([train.length, test.length]).toEqual([750, 192]);
    const [inTrain, inTest] = [new Set(train.map((r) => r.image)), new Set(test.map((r) => r.image))];
    expect([inTrain.size, inTest.size]).toEqual([250, 64]);
    expect([...inTest].filter((image) => inTrain.has(image))).toEqual([]);
    expect(distinct(train.map((r) => r.answer))).toBe(5);
  });
});

describe("files of a user", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "consilium-data-"));
    await mkdir(join(folder, "images/xmlab7"), { recursive: true });
    for (const name of ["a.png", "xmlab7/source.jpg"]) await writeFile(join(folder, "images", name), "");
  });
  afterAll(() => rm(folder, { recursive: true }));

  const row = (fields: object) => JSON.stringify({ image_name: "a.png", question: "Why?", answer: "x", ...fields });
  const load = async (text: string) => {
    await writeFile(join(folder, "rad.json"), text);
    return loadVqaRadFile(join(folder, "rad.json"), join(folder, "images"));
  };
  const loadSlakeRows = async (rows: object[], options?: Parameters<typeof loadSlake>[2]) => {
    await writeFile(join(folder, "slake.json"), JSON.stringify(rows));
    return loadSlake(join(folder, "slake.json"), join(folder, "images"), options);
  };

  test("JSON lines, blank lines between them, the least a row has to hold, keys we do not know", async () => {
    const records = await load(`${row({ extra: 1 })}\n\n${row({ answer: 3, answer_type: "open " })}\r\n`);
    expect(records.map((r) => [r.answer, r.answerType, r.qid, r.category, r.row])).toEqual([
      ["x", undefined, "0", undefined, 0],
      ["3", "OPEN", "1", undefined, 1],
    ]);
  });

  test.each([
    ["an array cut short", `[\n${row({})},\n`, /rad\.json:3:1: /],
    ["a broken second line of JSON lines", `${row({})}\n{"image_name": a}\n`, /rad\.json:2:16: /],
    ["an empty file", "", /rad\.json:1:1: /],
    ["one number", "17", /rad\.json/],
    ["no question", `[${row({})}, ${row({ question: undefined })}]`, /rad\.json.*1.*question/s],
    ["no answer on line 2", `${row({})}\n${row({ answer: null })}`, /rad\.json:2.*answer/s],
    ["an answer type that is neither", `[${row({ answer_type: "MAYBE" })}]`, /rad\.json.*answer_type/s],
  ])("malformed: %s", async (_, text, message) => {
    await expect(load(text)).rejects.toThrow(message);
  });

  test("missing images are found before anything runs, named with file and row", async () => {
    const rows = ["a", "b", "b", "c", "d", "e"].map((name) => row({ image_name: `${name}.png` }));
    await expect(load(rows.join("\n"))).rejects.toThrow(
      /rad\.json: 4 of 5 images are missing: .*b\.png \(row 1\), .*c\.png \(row 3\), .*d\.png \(row 4\) and .*e\.png \(row 5\)\. Put/,
    );
  });

  test("SLAKE: language filter, integer qid, folder layout", async () => {
    const rows = ["en", "zh"].map((q_lang, i) => ({
      img_id: 7,
      img_name: "xmlab7/source.jpg",
      question: "What modality?",
      answer: "MRI",
      answer_type: "OPEN",
      location: "Head",
      q_lang,
      qid: 40 + i,
    }));
    expect(await loadSlakeRows(rows)).toHaveLength(2);
    expect(await loadSlakeRows(rows, { language: "zh" })).toEqual([
      {
        image: join(folder, "images/xmlab7/source.jpg"),
        question: "What modality?",
        answer: "MRI",
        answerType: "OPEN",
        category: "Head",
        qid: "41",
        row: 1,
      },
    ]);
  });
});
