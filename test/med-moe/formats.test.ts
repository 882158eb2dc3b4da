/** What the README says of files is what the loaders take. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loadConversations, loadQuestionFiles, parseConversations } from "../../models/data/conversations.js";
import { parseAnswers } from "../../models/eval/med-moe/answers.js";
import { medMoeStages } from "../../models/index.js";

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const readme = readFileSync(path("models/med-moe/README.md"), "utf8");
const blocks = [...readme.matchAll(/```json\n([\s\S]*?)```/g)].map(([, block]) => block);

test("a row for each stage", () => {
  const rows = new Map([...readme.matchAll(/^\| (\w+) \| `(\{.*\})` \|$/gm)].map(([, stage, row]) => [stage, row]));
  expect([...rows.keys()].sort()).toEqual([...medMoeStages].sort());
  for (const [stage, row] of rows) {
    const { conversations, problems } = parseConversations(row, `${stage}.json`);
    expect(problems, stage).toEqual([]);
    expect(conversations[0].modality, stage).toBe(stage === "router" ? "X-ray" : undefined);
    expect(conversations[0].images, stage).toEqual(stage === "moe" ? ["a.jpg", "b.jpg"] : ["a.jpg"]);
  }
});

test("questions of both forms, and answers to the first", () => {
  const [questions, answers] = blocks;
  const { conversations, problems } = parseConversations(questions, "questions.jsonl", () => {});
  expect(problems).toEqual([]);
  expect(conversations.map(({ id, answerType, messages }) => [id, answerType, messages.length])).toEqual([
    ["7", "CLOSED", 2],
    ["8", undefined, 1],
  ]);
  expect(parseAnswers(answers, "answers.jsonl").map(({ questionId, text }) => [questionId, text])).toEqual([
    ["7", "Yes."],
  ]);
});

test("the examples are sound, their images there", async () => {
  const images = { imageFolder: path("data/vqa-rad/images") };
  const example = (name: string) => path(`examples/own-conversations/${name}`);
  for (const name of ["captions.json", "instruct.json", "modalities.json"])
    expect((await loadConversations([example(name)], images)).length, name).toBeGreaterThan(11);
  const asked = ["questions.json", "questions.jsonl"].map((name) => loadQuestionFiles([example(name)], images));
  expect((await Promise.all(asked)).map((questions) => questions.length)).toEqual([6, 4]);
});
