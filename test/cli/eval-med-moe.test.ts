import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseRouting, tokenKinds } from "../../models/index.js";
import { imageFile } from "../med-moe/support.js";
import { HERE, IMAGES, lines, medMoeEvaluation, QUESTIONS } from "../support/med-moe-questions.js";
import { consilium } from "./support.js";

const { folder, questionFile, asked, answeredWhole } = medMoeEvaluation();
const { whole, routing } = answeredWhole();

/** The images under each other's names. */
function swapped(): string {
  const other = join(folder, "swapped");
  mkdirSync(other);
  for (const [i, name] of IMAGES.entries()) symlinkSync(imageFile(IMAGES.at(i - 1) as string), join(other, name));
  return other;
}

describe("eval med-moe", () => {
  test("a line for each question, with the published keys", () => {
    const answers = lines(whole);
    expect(answers.map(({ question_id }) => question_id)).toEqual([7, "b", 3, 12, "x-1"]);
    for (const answer of answers) {
      expect(Object.keys(answer)).toEqual(["question_id", "prompt", "text", "answer_id", "model_id", "metadata"]);
      expect(answer).toMatchObject({ model_id: "stablelm", metadata: {} });
      expect(answer.answer_id).toHaveLength(22);
      expect(answer.text).toBe(answer.text.trim());
    }
    expect(answers.map(({ prompt }) => prompt)).toEqual([
      "<image>\nWhich organ is shown?",
      "<image>\nIs there a fracture?",
      "What is a lung?",
      "<image>\n<image>\nWhat do these show?",
      "<image>\nIs it normal?",
    ]);
    expect(new Set(answers.map(({ text }) => text)).size).toBeGreaterThan(1);
  });

  test("--gating: what each layer chose for each token", () => {
    const records = parseRouting(readFileSync(routing, "utf8"), routing);
    expect(records.map(({ question_id }) => question_id)).toEqual(["7", "b", "3", "12", "x-1"]);
    for (const record of records) {
      const { layers, experts, top_k, choices, weights, prompt } = record;
      expect({ layers, experts, top_k }).toEqual({ layers: [0, 2], experts: [4, 4], top_k: 1 });
      // The answer's last token is never read.
      expect(choices[0].length).toBeGreaterThanOrEqual(prompt);
      expect(choices[0].length).toBeLessThan(prompt + 6);
      expect(weights.flat().every((weight) => weight >= 0.25 && weight <= 1)).toBe(true);
      // The router's bias keeps everyone from this expert in layer 2.
      expect(choices[1]).not.toContain(1);
    }
    const kinds = tokenKinds(records[3]);
    expect(kinds.filter((kind) => kind === "image")).toHaveLength(18);
    const [[first, count], [second]] = records[3].images;
    // Two placeholders with a line end between them.
    expect([count, second]).toEqual([9, first + 10]);
    expect(tokenKinds(records[2])).not.toContain("image");
  });

  test("scores where the answers are known, the same as those of `score`", async () => {
    const args = ["score", "--gt", questionFile(), "--pred", whole, "--json", "-"];
    const scored = JSON.parse((await consilium(args)).stdout);
    const again = await consilium(asked(whole, ...HERE, "--gating", routing, "--json", "-"));
    expect(again.code, again.stderr).toBe(0);
    const document = JSON.parse(again.stdout);
    expect(document).toMatchObject({ version: 1, command: "eval med-moe", answered: { total: 5, resumed: 5 } });
    const { questions, published, closed, plain } = scored;
    expect(document.scores).toEqual({ questions, published, closed, plain });
    expect(questions).toEqual({ total: 5, open: 3, closed: 2 });
  });

  test("two processes share the questions, and write the same file", async () => {
    const answers = join(folder, "two.jsonl");
    const gating = join(folder, "two-routing.jsonl");
    const shared = asked(answers, "--devices", "reference,reference", "--gating", gating, "--json", "-");
    const { code, stdout, stderr } = await consilium(shared);
    expect(code, stderr).toBe(0);
    expect(readFileSync(answers, "utf8")).toBe(readFileSync(whole, "utf8"));
    expect(readFileSync(gating, "utf8")).toBe(readFileSync(routing, "utf8"));
    const { devices } = JSON.parse(stdout);
    expect(devices).toHaveLength(2);
    expect(devices[0].answered + devices[1].answered).toBe(5);
    for (const { answered } of devices) expect(answered).toBeGreaterThan(0);
  });

  test("chunks follow each other, and are scored together", async () => {
    const parts = [0, 1].map((i) => join(folder, `part-${i}.jsonl`));
    for (const [i, file] of parts.entries()) {
      const chunk = ["--num-chunks", "2", "--chunk-idx", String(i)];
      const { code, stdout, stderr } = await consilium(asked(file, ...HERE, ...chunk));
      expect(code, stderr).toBe(0);
      expect(stdout).toContain("Score all parts together: npx consilium score --gt ");
    }
    expect(parts.map((file) => lines(file).length)).toEqual([3, 2]);
    expect(parts.map((file) => readFileSync(file, "utf8")).join("")).toBe(readFileSync(whole, "utf8"));
  });

  test("copied weights give the same answers", async () => {
    const answers = join(folder, "copied.jsonl");
    const { code, stderr } = await consilium(asked(answers, ...HERE, "--no-mmap"));
    expect(code, stderr).toBe(0);
    expect(readFileSync(answers, "utf8")).toBe(readFileSync(whole, "utf8"));
    // How weights are held is no other evaluation.
    const again = await consilium(asked(answers, ...HERE));
    expect(again.stderr, again.stderr).toContain("5 of 5 questions have answers already");
  });

  test("a question file of LLaVA-Med: the same answer, and no scores", async () => {
    const file = join(folder, "llava.jsonl");
    const { id, image } = QUESTIONS[0] as { id: number; image: string };
    writeFileSync(file, `${JSON.stringify({ question_id: id, image, text: "Which organ is shown?" })}\n`);
    const answers = join(folder, "llava-answers.jsonl");
    const { code, stdout, stderr } = await consilium(asked(answers, ...HERE, "--question-file", file));
    expect(code, stderr).toBe(0);
    expect(lines(answers)).toEqual(lines(whole).slice(0, 1));
    expect(stdout).toContain('No scores: 1 of 1 questions lack an answer or "answer_type".');
  });

  test("answers depend on image, template and the letters asked for", async () => {
    const others = { "--conv-mode": "simple", "--image-folder": swapped() };
    for (const [flag, value] of Object.entries(others)) {
      const answers = join(folder, `other${flag}.jsonl`);
      const one = ["--question-file", questionFile(QUESTIONS.slice(0, 1))];
      const { code, stderr } = await consilium(asked(answers, ...HERE, ...one, flag, value));
      expect(code, stderr).toBe(0);
      expect(lines(answers)[0].text, flag).not.toEqual(lines(whole)[0].text);
    }
    const answers = join(folder, "letters.jsonl");
    const { code, stderr } = await consilium(asked(answers, ...HERE, "--conv-mode", "phi2", "--single-pred-prompt"));
    expect(code, stderr).toBe(0);
    expect(lines(answers)[2].prompt).toBe(
      "What is a lung?\nAnswer with the option's letter from the given choices directly.",
    );
  });
});
