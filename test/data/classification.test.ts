import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  classifiedImages,
  classNames,
  classOf,
  classQuestion,
  type LabelledImage,
  loadImageList,
  parseAnswers,
  scoreClasses,
} from "../../models/index.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-classes-"));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of ["a.png", "b.png"]) copyFileSync("data/vqa-rad/images/synpic100132.jpg", join(folder, name));
const listed = (text: string, name = "list.csv") => {
  writeFileSync(join(folder, name), text);
  return loadImageList(join(folder, name));
};
const image = (label: string): LabelledImage => ({ id: "x.png", image: "x.png", label, place: "line 7" });

test("scores: accuracy, each class, what was said of what", () => {
  const items = [
    ["a", "a"],
    ["a", "a"],
    ["a", "b"],
    ["a", null],
    ["b", "b"],
    ["b", "a"],
  ].map(([label, said]) => ({ label: label as string, said }));
  const { all, balanced, unnamed, classes, confusion } = scoreClasses(items, ["a", "b", "c"]);
  expect([all.correct, all.total, unnamed]).toEqual([3, 6, 1]);
  expect(balanced).toBe((2 / 4 + 1 / 2) / 2);
  expect(confusion).toEqual([
    [2, 1, 0, 1],
    [1, 1, 0, 0],
    [0, 0, 0, 0],
  ]);
  const [a, b, c] = classes;
  expect([a.recall.accuracy, a.said, a.precision, a.f1]).toEqual([1 / 2, 3, 2 / 3, 4 / 7]);
  expect([b.recall.accuracy, b.said, b.precision, b.f1]).toEqual([1 / 2, 2, 1 / 2, 1 / 2]);
  expect([c.recall.accuracy, c.said, c.precision, c.f1]).toEqual([Number.NaN, 0, Number.NaN, 0]);
});

describe("classes", () => {
  test("of the labels, in their order, _ read as a blank", () => {
    expect(classNames(["left_kidney", "bladder", "left_kidney"].map(image))).toEqual(["bladder", "left kidney"]);
    expect(classOf(image("left_kidney"), ["bladder", "Left kidney"])).toBe("Left kidney");
  });

  test("by name, for labels that count them", () => {
    const classes = classNames([image("0")], ["normal", "pneumonia"]);
    expect([classOf(image("0"), classes), classOf(image("1"), classes)]).toEqual(["normal", "pneumonia"]);
    // A name goes before a number.
    expect(classOf(image("2"), ["1", "2", "3"])).toBe("2");
    const { messages } = classQuestion(image("1"), classes, "Which one: {classes}?");
    expect(messages.map(({ text }) => text)).toEqual(["Which one: normal, pneumonia?", "pneumonia"]);
  });

  test.each<[string, () => unknown, string]>([
    ["one class", () => classNames([image("a")]), 'There is one class, "a", and nothing to choose between'],
    [
      "names that read the same",
      () => classNames([], ["T-cell", "t cell"]),
      'The classes "T-cell" and "t cell" read the same',
    ],
    ["a name without words", () => classNames([], ["a", "?"]), 'The class "?" has no word in it'],
    ["a label that is none", () => classOf(image("c"), ["a", "b"]), 'line 7: "c" is none of the 2 classes a, b'],
    ["a number too large", () => classOf(image("2"), ["a", "b"]), 'line 7: "2" is none of the 2 classes a, b'],
  ])("%s", (_, work, text) => expect(work).toThrow(text));
});

describe("a list of images", () => {
  test("as CSV and as JSON lines", async () => {
    const found = [
      { id: "a.png", image: join(folder, "a.png"), label: "x", place: "line 2" },
      { id: "b.png", image: join(folder, "b.png"), label: "1", place: "line 3" },
    ];
    expect(await listed("image,split,class\na.png,test,x\nb.png,test,1\n")).toEqual(found);
    const lines = '{"image": "a.png", "class": "x"}\n{"image": "b.png", "class": 1}\n';
    expect(await listed(lines, "list.jsonl")).toMatchObject(found.map(({ id, label }) => ({ id, label })));
  });

  test.each([
    ["a column that is missing", "image,label\na.png,x\n", 'there is no column "class": it has "image", "label"'],
    ["an empty cell", "image,class\na.png,\n", "a row without its image or class (line 2)"],
    ["an image twice", "image,class\na.png,x\na.png,y\n", "an image that is listed above (line 3)"],
    ["images that are not there", "image,class\nc.png,x\na.png,y\n", "1 of 2 images are missing: "],
    ["nothing", "image,class\n", "it lists no image"],
    ["no table", "", "it is empty"],
  ])("%s", async (_, text, message) => expect(listed(text)).rejects.toThrow(message));
});

describe("answers that say what their images are", () => {
  const line = (id: string, metadata: object) => `${JSON.stringify({ question_id: id, text: "a", metadata })}\n`;
  const read = (text: string) => classifiedImages(parseAnswers(text, "f.jsonl"), "f.jsonl");
  test("are read back", () => {
    const text = line("1", { class: "a", said: "b" }) + line("2", { class: "a", said: null });
    expect(read(text)).toEqual([
      { label: "a", said: "b" },
      { label: "a", said: null },
    ]);
  });
  test.each([
    [
      "other answers",
      line("1", {}),
      "an answer without the class of its image (line 1). Answers to questions need --gt",
    ],
    ["one image twice", line("1", { class: "a", said: null }).repeat(2), "an image for the second time (line 2)"],
    ["none", "", "it has no answer"],
  ])("%s", (_, text, message) => expect(() => read(text)).toThrow(message));
});
