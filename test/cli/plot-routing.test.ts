import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { parseRouting, summarizeRouting } from "../../models/index.js";
import { consilium, temporaryFolder } from "./support.js";

const folder = temporaryFolder();

/** Two questions: tokens 1 and 2 of the first are an image, its last two an answer; the second is text alone. */
const RECORDS = [
  {
    question_id: "7",
    layers: [0, 2, 5],
    experts: [4, 4, 2],
    top_k: 1,
    prompt: 4,
    images: [[1, 2]],
    choices: [
      [0, 3, 3, 0, 1, 1],
      [2, 2, 1, 2, 2, 0],
      [0, 1, 1, 0, 0, 1],
    ],
    weights: [
      [0.5, 0.9, 0.8, 0.7, 0.6, 0.5],
      [0.5, 0.9, 0.8, 0.7, 0.6, 0.5],
      [0.5, 0.9, 0.8, 0.7, 0.6, 0.5],
    ],
  },
  {
    question_id: "b",
    layers: [0, 2, 5],
    experts: [4, 4, 2],
    top_k: 1,
    prompt: 1,
    images: [],
    choices: [
      [0, 1],
      [2, 2],
      [0, 0],
    ],
    weights: [
      [0.5, 0.9],
      [0.5, 0.9],
      [0.5, 0.9],
    ],
  },
];
const file = (name: string, records: readonly object[]) => {
  const path = join(folder, name);
  writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  return path;
};

test("choices by expert and kind, ways by their frequency", () => {
  const text = RECORDS.map((record) => JSON.stringify(record)).join("\n");
  const { questions, tokens, load, paths } = summarizeRouting(parseRouting(text, "routing.jsonl"));
  expect([questions, tokens]).toEqual([2, { image: 2, text: 3, answer: 3 }]);
  expect(load[0]).toEqual([
    { image: 0, text: 3, answer: 0 },
    { image: 0, text: 0, answer: 3 },
    { image: 0, text: 0, answer: 0 },
    { image: 2, text: 0, answer: 0 },
  ]);
  expect(load[2][1]).toEqual({ image: 2, text: 0, answer: 1 });
  expect(paths.map(({ experts }) => experts.join())).toEqual(["0,2,0", "1,2,0", "1,0,1", "3,1,1", "3,2,1"]);
  expect(paths[0].tokens).toEqual({ image: 0, text: 3, answer: 0 });
});

test("both choices of a token count as load, the first makes its way", () => {
  const two = {
    ...RECORDS[1],
    top_k: 2,
    choices: [
      [0, 1, 1, 3],
      [2, 3, 2, 0],
      [0, 1, 0, 1],
    ],
  };
  const weights = two.choices.map((list) => list.map(() => 0.5));
  const { load, paths } = summarizeRouting(parseRouting(JSON.stringify({ ...two, weights }), "f"));
  expect(load[0].map(({ text, answer }) => text + answer)).toEqual([1, 2, 0, 1]);
  expect(paths.map(({ experts }) => experts)).toEqual([
    [0, 2, 0],
    [1, 2, 0],
  ]);
});

describe("plot routing", () => {
  test("load, split and paths, each as SVG and PNG", async () => {
    const out = join(folder, "new", "plots");
    const { code, stdout, stderr } = await consilium(["plot", "routing", file("a.jsonl", RECORDS), "--out", out]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^8 tokens of 2 questions: /);
    const svg = (name: string) => readFileSync(join(out, `${name}.svg`), "utf8");
    for (const name of ["load", "split", "paths"]) {
      const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg(name)) ?? [];
      const png = await sharp(join(out, `${name}.png`)).metadata();
      expect([png.width, png.height], name).toEqual([2 * Number(width), 2 * Number(height)]);
      // Something else than white.
      const { channels } = await sharp(join(out, `${name}.png`)).stats();
      expect(channels[0].min, name).toBeLessThan(100);
    }
    expect(svg("load")).toContain("Layer 0: expert 0 37.5 %, expert 1 37.5 %, expert 2 0.0 %, expert 3 25.0 %.");
    expect(svg("load").match(/<rect [^>]*><title>/g)).toHaveLength(10);
    expect(svg("split")).toContain("Layer 5: expert 0 image 0.0 %, question and template 60.0 %, answer 40.0 %");
    expect(svg("split").match(/>no token</g)).toHaveLength(2);
    expect(svg("paths")).toContain("Most frequent: 0 → 2 → 0 37.5 %; 1 → 2 → 0 25.0 %;");
  });

  test.each([
    ["no routing", [], "it holds no routing"],
    ["answers", [{ question_id: 1, text: "x" }], "question_id"],
    [
      "an expert that is not there",
      [{ ...RECORDS[1], experts: [1, 4, 2] }],
      "layer 0 has 1 experts, a choice names another",
    ],
    ["lists of other lengths", [{ ...RECORDS[1], weights: [[1], [1], [1]] }], "differ in length"],
    ["an image behind the prompt", [{ ...RECORDS[1], images: [[0, 2]] }], "an image reaches behind the prompt"],
    ["another model", [RECORDS[0], { ...RECORDS[1], layers: [0, 1, 5] }], "record 2 (question b) is of another model"],
  ])("refused: %s", async (name, records, named) => {
    const out = join(folder, "none");
    const path = file(`${name.replaceAll(" ", "-")}.jsonl`, records);
    const { code, stderr } = await consilium(["plot", "routing", path, "--out", out]);
    expect(code).toBe(1);
    expect(stderr).toContain(named);
    expect(stderr.match(/^consilium: /gm)).toHaveLength(1);
  });
});
