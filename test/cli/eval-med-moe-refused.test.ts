import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { goldenMedMoe, imageFile } from "../med-moe/support.js";
import { HERE, IMAGES, medMoeEvaluation, QUESTIONS, question } from "../support/med-moe-questions.js";
import { consilium, consiliumProcess } from "./support.js";

const { folder, questionFile, asked } = medMoeEvaluation();

/** Two of the images are none. */
function noImages(): string {
  const other = join(folder, "no-images");
  mkdirSync(other);
  for (const name of IMAGES.slice(2)) copyFileSync(imageFile(name), join(other, name));
  writeFileSync(join(other, IMAGES[0]), "no image");
  writeFileSync(join(other, IMAGES[1]), "");
  return other;
}

describe("eval med-moe: one clear error before work starts", () => {
  const long = question(1, undefined, "why ".repeat(600));
  test.concurrent.each<[string, string[], string[], number?]>([
    [
      "two questions with one id",
      ["--question-file", questionFile([QUESTIONS[0], QUESTIONS[0]])],
      ["the id of an earlier question (item 2)"],
    ],
    [
      "a question without an id",
      ["--question-file", questionFile([{ ...QUESTIONS[0], id: undefined }])],
      ['there is no "id" (item 1)'],
    ],
    [
      "images that are none",
      ["--image-folder", noImages()],
      [
        "2 of 4 images cannot be read: ",
        `${IMAGES[0]} (item 1): not a readable image`,
        `${IMAGES[1]} (item 2): the file is empty`,
      ],
    ],
    ["images that are not there", ["--image-folder", folder], ["4 of 4 images are missing: ", "(item 1)"]],
    [
      "an unknown template",
      ["--conv-mode", "vicuna"],
      ['There is no template "vicuna". Templates are stablelm, phi, plain, simple.'],
    ],
    [
      "a chunk that is not",
      ["--num-chunks", "2", "--chunk-idx", "2"],
      ["There is no chunk 2 of 2: they are counted from 0 to 1."],
    ],
    [
      "a question that fills the context",
      ["--question-file", questionFile([long])],
      ["a question that leaves no position for an answer (item 1). The model has 512 positions"],
    ],
    ["another folder", ["--model-path", folder], ["config.json", "A Med-MoE model is a folder"]],
    ["a folder for the answers", ["--answers-file", folder], ["it is a folder. Name the file to write"]],
    [
      "a router of another width",
      ["--router", join(goldenMedMoe, "phi/router.pth")],
      ["fc1.weight is [4, 40]; the mixtures of this model need [4, 32]"],
    ],
    ["two ways to say where", ["--devices", "reference"], ["--device and --devices exclude each other"], 2],
    [
      "a second adapter",
      ["--devices", "webgpu:0,webgpu:1"],
      ['"webgpu:1" is none: WebGPU lists no adapters, and gives one, named without a number.'],
      2,
    ],
    ["a second cpu", ["--devices", "cpu:1"], ['"cpu:1" is none: there is one cpu, named without a number.'], 2],
    [
      "an unknown device",
      ["--devices", "cpu,tpu"],
      ['There is no device "tpu"; it is one of cpu, webgpu, cuda, reference'],
      2,
    ],
  ])("%s", async (name, flags, named, exit = 1) => {
    const answers = join(folder, `${name.replaceAll(" ", "-")}.jsonl`);
    const { code, stdout, stderr } = await consilium(asked(answers, ...HERE, ...flags));
    expect({ code, stdout }, stderr).toEqual({ code: exit, stdout: "" });
    for (const text of named) expect(stderr).toContain(text);
    expect(existsSync(answers) && readFileSync(answers, "utf8") !== "").toBe(false);
  });

  test("a process that cannot open says why, once", async () => {
    const answers = join(folder, "worker.jsonl");
    const { code, stderr } = await consiliumProcess(
      asked(answers, "--devices", "reference,reference", "--question-file", questionFile([long])),
    );
    expect(code).toBe(1);
    expect(stderr.match(/leaves no position for an answer/g)).toHaveLength(1);
  });
});
