import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { consilium, temporaryFolder } from "./support.js";

const folder = temporaryFolder();
const golden: { cases: { prediction: string; answer: string; answer_type: string }[]; table: Record<string, number> } =
  JSON.parse(readFileSync("test/fixtures/med-moe/metrics.json", "utf8"));

const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const gt = (name: string, rows: readonly object[]) => file(name, JSON.stringify(rows));
const pred = (name: string, rows: readonly object[]) =>
  file(name, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));

const question = (id: unknown, answer: string, answer_type = "CLOSED") => ({
  id,
  image: `${id}.jpg`,
  conversations: [
    { from: "human", value: `<image>\nQuestion ${id}?` },
    { from: "gpt", value: answer },
  ],
  answer_type,
});
const said = (question_id: unknown, text: string) => ({
  question_id,
  prompt: `<image>\nQuestion ${question_id}?`,
  text,
});

const questions = golden.cases.map(({ answer, answer_type }, i) => question(i, answer, answer_type));
const answers = golden.cases.map(({ prediction }, i) => said(i, prediction));
const questionFile = gt("test.json", questions);

describe("score", () => {
  test("the published table in any order of the answers, wrong answers written", async () => {
    const output = join(folder, "new", "wrong.json");
    const shuffled = pred("shuffled.jsonl", answers.toReversed());
    const args = ["score", "--gt", questionFile, "--pred", shuffled, "--output", output, "--json", "-"];
    const { code, stdout, stderr } = await consilium(args);
    expect(code, stderr).toBe(0);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ version: 1, command: "score", questions: { total: 22, open: 16, closed: 6 } });
    for (const [name, percent] of Object.entries(golden.table))
      expect(100 * document.published[name], name).toBeCloseTo(percent, 10);
    expect(document.plain.closed.exact).toMatchObject({ correct: 2, total: 6 });
    expect(JSON.parse(readFileSync(output, "utf8"))).toEqual([
      { prompt: "<image>\nQuestion 19?", correct_answer: "yes", predicted_answer: "maybe" },
    ]);
    expect(stderr).toMatch(/^yes\/no accuracy +83\.33$/m);
    expect(stderr).toMatch(/^BLEU Score \(Weight 1\) +26\.27$/m);
    expect(stderr).toContain("1 closed questions answered wrongly");
  });

  test("parts of an evaluation together; --by-position needs no ids", async () => {
    const parts = [pred("0.jsonl", answers.slice(0, 9)), pred("1.jsonl", answers.slice(9))];
    const whole = await consilium(["score", "--gt", questionFile, "--pred", ...parts]);
    expect(whole.code, whole.stderr).toBe(0);
    const nameless = gt(
      "nameless.json",
      questions.map(({ id: _, ...rest }) => ({ ...rest, id: "same" })),
    );
    const byPosition = ["score", "--gt", nameless, "--pred", ...parts, "--by-position"];
    expect(await consilium(byPosition)).toEqual(whole);
  });

  test("nothing to count is a dash, and null in JSON", async () => {
    const open = gt("open.json", [question(1, "liver", "OPEN")]);
    const one = pred("one.jsonl", [said(1, "the liver")]);
    const { code, stdout, stderr } = await consilium(["score", "--gt", open, "--pred", one, "--json", "-"]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).published).toMatchObject({ Recall: 1, "yes/no accuracy": null, "Closed Recall": null });
    expect(stderr).toMatch(/^yes\/no accuracy +-$/m);
  });
});

describe("what does not pair is one clear error", () => {
  const two = gt("two.json", [question(1, "yes"), question(2, "no")]);
  test.concurrent.each([
    [
      "an id that no question has",
      two,
      pred("a.jsonl", [said(1, "x"), said(3, "x")]),
      ["1 answer to no question of the file: line 2 (question 3)", "1 of 2 questions have no answer: 2"],
    ],
    [
      "two answers to one",
      two,
      pred("b.jsonl", [said(1, "x"), said(1, "y"), said(2, "x")]),
      ["1 answer to a question that has one already: line 2 (question 1)"],
    ],
    [
      "no id",
      two,
      pred("c.jsonl", [{ text: "x" }, said(2, "x")]),
      ['1 answer without "question_id": line 1', "--by-position"],
    ],
    ["no text", two, pred("d.jsonl", [{ question_id: 1 }]), ["d.jsonl:1", "text: missing"]],
    ["no JSON", two, file("e.jsonl", "{"), ["e.jsonl:1:2"]],
    [
      "questions with one id",
      gt("same.json", [question(1, "a"), question(1, "b")]),
      pred("f.jsonl", []),
      ["the id of an earlier question (item 2)"],
    ],
    [
      "a type that is none: the advice is that of one that is missing",
      gt("h.json", [question(1, "a", "maybe")]),
      pred("h.jsonl", [said(1, "x")]),
      ['"answer_type" is "maybe" (item 1). Write OPEN or CLOSED: questions are scored by it'],
    ],
    [
      "a question without a type",
      gt("g.json", [question(1, "a", "")]),
      pred("g.jsonl", [said(1, "a")]),
      ['a question without "answer_type" (item 1)'],
    ],
    ["no file", join(folder, "none.json"), pred("h.jsonl", []), ["none.json: there is no such file"]],
  ] as const)("%s", async (_, gtFile, predFile, named) => {
    const { code, stdout, stderr } = await consilium(["score", "--gt", gtFile, "--pred", predFile]);
    expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: "" });
    for (const text of named) expect(stderr).toContain(text);
    expect(stderr.match(/^consilium: /gm)).toHaveLength(1);
  });

  test("by position the counts have to be the same", async () => {
    const args = ["score", "--gt", two, "--pred", pred("i.jsonl", [said(1, "x")]), "--by-position"];
    const { code, stderr } = await consilium(args);
    expect(code).toBe(1);
    expect(stderr).toContain("1 answers to 2 questions");
  });

  test("no --pred is wrong usage", async () => {
    const { code, stderr } = await consilium(["score", "--gt", two]);
    expect(code).toBe(2);
    expect(stderr).toContain("--pred");
  });
});
