import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, expect } from "vitest";
import { consilium, temporaryFolder } from "../cli/support.js";
import { imageFile, speakingModel } from "../med-moe/support.js";

/** Of a test that starts the command a few times. */
export const TIMEOUT = 180_000;
export const IMAGES = ["synpic100132.jpg", "synpic100176.jpg", "synpic12210.jpg", "synpic100228.jpg"];
export const HERE = ["--device", "reference"];

export const question = (id: string | number, image: string | string[] | undefined, text: string, answer = "yes") => ({
  id,
  ...(image !== undefined && { image }),
  conversations: [
    { from: "human", value: text },
    { from: "gpt", value: answer },
  ],
  answer_type: /^(yes|no)$/.test(answer) ? "CLOSED" : "OPEN",
});
export const QUESTIONS = [
  question(7, IMAGES[0], "<image>\nWhich organ is shown?", "liver"),
  question("b", IMAGES[1], "Is there a fracture?\n<image>", "no"),
  question(3, undefined, "What is a lung?", "an organ"),
  question(12, [IMAGES[2], IMAGES[0]], "<image><image>What do these show?", "kidney"),
  question("x-1", IMAGES[3], "<image>\nIs it normal?", "yes"),
];

/** What a file of answers holds. */
export const lines = (file: string) =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

/** `eval med-moe` of a model that speaks on the questions, in a folder that goes after the tests of the file. */
export function medMoeEvaluation() {
  const folder = temporaryFolder();
  const model = join(folder, "stablelm");
  beforeAll(async () => {
    await speakingModel("stablelm", model);
  }, TIMEOUT);
  let files = 0;
  function questionFile(rows: readonly object[] = QUESTIONS): string {
    const file = join(folder, `questions-${files++}.json`);
    writeFileSync(file, JSON.stringify(rows));
    return file;
  }
  const asked = (answers: string, ...more: string[]) => [
    "eval",
    "med-moe",
    ...["--model-path", model, "--question-file", questionFile(), "--image-folder", dirname(imageFile("any"))],
    ...["--answers-file", answers, "--max-new-tokens", "6", ...more],
  ];
  const whole = join(folder, "whole.jsonl");
  const routing = join(folder, "whole-routing.jsonl");
  return {
    folder,
    questionFile,
    /** Arguments of the command. */
    asked,
    /** Before the tests, all questions are answered without a stop, into the two files. */
    answeredWhole() {
      beforeAll(async () => {
        const { code, stderr } = await consilium(asked(whole, ...HERE, "--gating", routing));
        expect(code, stderr).toBe(0);
      }, TIMEOUT);
      return { whole, routing };
    },
  };
}
