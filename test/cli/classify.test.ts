import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { imageFile, speakingModel } from "../med-moe/support.js";
import { consilium, consiliumStoppedAt, temporaryFolder } from "./support.js";

const TIMEOUT = 240_000;
const folder = temporaryFolder();
const path = (...names: string[]) => join(folder, ...names);
const IMAGES = ["synpic100132.jpg", "synpic100176.jpg", "synpic12210.jpg", "synpic100228.jpg"];

/** A folder of classes with images, named by their numbers. */
function images(name: string, classes: Readonly<Record<string, readonly number[]>>): string {
  for (const [label, numbers] of Object.entries(classes)) {
    mkdirSync(path(name, label), { recursive: true });
    for (const i of numbers) copyFileSync(imageFile(IMAGES[i]), path(name, label, `${i}.jpg`));
  }
  return path(name);
}

beforeAll(async () => {
  await speakingModel("stablelm", path("stablelm"));
  images("test", { "0": [0, 1], "1": [2, 3] });
  writeFileSync(path("test/1/notes.txt"), "");
  writeFileSync(path("test/.DS_Store"), "");
}, TIMEOUT);

const classify = (answers: string, ...more: string[]) => [
  ...["eval", "med-moe", "--task", "classify", "--model-path", path("stablelm"), "--image-folder", path("test")],
  ...["--answers-file", path(answers), "--max-new-tokens", "4", "--device", "reference", ...more],
];
const NAMED = ["--classes", "liver,lung"];
const RANKED = [...NAMED, "--answering", "rank"];
const document = async (args: readonly string[]) => {
  const { code, stdout, stderr } = await consilium([...args, "--json", "-"]);
  expect(code, stderr).toBe(0);
  return { ...JSON.parse(stdout), stderr };
};
const lines = (file: string) =>
  readFileSync(path(file), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test(
  "ranked: each image gets a class; in parts, scored together; stopped, it goes on",
  async () => {
    const { scores, config, stderr } = await document(classify("ranked.jsonl", ...RANKED));
    expect(stderr).toContain("1 files are no images by their names and are left out: 1/notes.txt");
    expect(config).toMatchObject({ task: "classify", classes: ["liver", "lung"], answering: "rank" });
    const answers = lines("ranked.jsonl");
    expect(answers.map(({ question_id }) => question_id)).toEqual(["0/0.jpg", "0/1.jpg", "1/2.jpg", "1/3.jpg"]);
    expect(answers[0].prompt).toBe("<image>\nWhat does this image show? Answer with one of these: liver, lung.");
    for (const { text, metadata } of answers) expect(metadata.said).toBe(text);
    expect(answers.map(({ metadata }) => metadata.class)).toEqual(["liver", "liver", "lung", "lung"]);
    const right = answers.filter(({ metadata }) => metadata.said === metadata.class).length;
    expect(scores).toMatchObject({ images: 4, accuracy: { correct: right, total: 4 }, unnamed: 0 });
    const said = (name: string) => answers.filter(({ metadata }) => metadata.said === name).length;
    expect(scores.classes.map((c: { said: number }) => c.said)).toEqual([said("liver"), said("lung")]);
    expect(scores.confusion.flat().reduce((a: number, b: number) => a + b)).toBe(4);

    const parts = ["0", "1"].map((i) => `part-${i}.jsonl`);
    for (const [i, part] of parts.entries()) {
      const chunk = ["--num-chunks", "2", "--chunk-idx", String(i)];
      expect((await document(classify(part, ...RANKED, ...chunk))).scores).toBe(null);
    }
    const { accuracy, confusion } = await document(["score", "--pred", ...parts.map((part) => path(part))]);
    expect({ accuracy, confusion }).toEqual({ accuracy: scores.accuracy, confusion: scores.confusion });

    const args = classify("stopped.jsonl", ...RANKED);
    const stopped = await consiliumStoppedAt(/stablelm: 1\/4/, "SIGKILL", args);
    expect(stopped.signal, stopped.stderr).toBe("SIGKILL");
    expect((await document(args)).answered).toEqual({ total: 4, resumed: 1 });
    expect(readFileSync(path("stopped.jsonl"), "utf8")).toBe(readFileSync(path("ranked.jsonl"), "utf8"));
    const other = await consilium(classify("stopped.jsonl", "--classes", "lung,liver", "--answering", "rank"));
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining("its answers were given otherwise: ") });
  },
  TIMEOUT,
);

test(
  "written: the class that the answer names, or none; a list of images, a question of one's own",
  async () => {
    const list = path("list.csv");
    writeFileSync(list, "image,class\n0/0.jpg,liver\n1/2.jpg,lung\n");
    const { code, stdout, stderr } = await consilium(
      classify("written.jsonl", ...NAMED, "--image-list", list, "--question", "One of {classes}?"),
    );
    expect(code, stderr).toBe(0);
    const answers = lines("written.jsonl");
    expect(answers.map(({ prompt }) => prompt)).toEqual(Array(2).fill("<image>\nOne of liver, lung?"));
    // What it says means nothing: it names no class.
    for (const { metadata } of answers) expect([null, "liver", "lung"]).toContain(metadata.said);
    expect(stdout).toMatch(/accuracy \d+\.\d % \(\d of 2; 95 %: /);
    expect(stdout).toMatch(/^is \\ said +liver +lung +none$/m);
  },
  TIMEOUT,
);

describe("one clear error", () => {
  const bad = (name: string, classes: Readonly<Record<string, readonly number[]>>) => [
    "--image-folder",
    images(name, classes),
  ];
  test.concurrent.each<[string, () => string[], string, number?]>([
    [
      "a folder without folders",
      () => ["--image-folder", path("test/0")],
      "it holds no folders of classes. Put the images of each class",
    ],
    ["a folder that is not there", () => ["--image-folder", path("none")], "none: there is no such file or folder"],
    [
      "an empty class",
      () => bad("empty", { a: [], b: [0] }),
      "there is no image in the folders of classes a. Fill them",
    ],
    ["nothing but empty classes", () => bad("all-empty", { a: [], b: [] }), "there is no image in its folders a, b"],
    ["one class", () => bad("one", { normal: [0] }), 'There is one class, "normal", and nothing to choose between'],
    [
      "a class that is not named",
      () => bad("more", { liver: [0], heart: [1] }).concat(NAMED),
      'heart/1.jpg: "heart" is none of the 2 classes liver, lung',
    ],
    [
      "an image that cannot be read",
      () => {
        const args = bad("unreadable", { liver: [0], lung: [1] });
        writeFileSync(path("unreadable/lung/1.jpg"), "no image");
        return args;
      },
      "question lung/1.jpg: ",
    ],
    ["no images at all", () => ["--image-list", path("none.csv")], "none.csv"],
    [
      "a question file",
      () => ["--question-file", "x"],
      "--question-file is for --task vqa, this is --task classify",
      2,
    ],
    [
      "classes of questions",
      () => ["--task", "vqa", "--question-file", "x", ...NAMED],
      "--classes is for --task classify, this is --task vqa",
      2,
    ],
    ["questions without a file", () => ["--task", "vqa"], "--question-file is missing", 2],
    ["routing of ranks", () => [...RANKED, "--gating", path("gating.jsonl")], "leave out --answering rank", 2],
  ])("%s", async (name, args, text, exit = 1) => {
    const { code, stdout, stderr } = await consilium(classify(`${name.replaceAll(" ", "-")}.jsonl`, ...args()));
    expect({ code, stdout }, stderr).toEqual({ code: exit, stdout: "" });
    expect(stderr).toContain(text);
  });
});
