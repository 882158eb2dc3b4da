import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bleu } from "../../models/eval/med-moe/bleu.js";
import { normaliseForWords } from "../../models/eval/med-moe/normalise.js";
import {
  type AnsweredQuestion,
  occurs,
  publishedTable,
  scoreMedMoe,
  wrongAnswers,
} from "../../models/eval/med-moe/scores.js";
import { plainOverlap, publishedExactMatch, publishedOverlap } from "../../models/eval/med-moe/word-overlap.js";

interface Case {
  readonly prediction: string;
  readonly answer: string;
  readonly answer_type: string;
  readonly normalized_prediction: string;
  readonly normalized_answer: string;
  readonly exact_match: number;
  readonly f1: number;
  readonly precision: number;
  readonly recall: number;
  readonly bleu: readonly number[];
  readonly correct?: boolean;
}

const golden: { cases: Case[]; table: Record<string, number> } = JSON.parse(
  readFileSync("test/fixtures/med-moe/metrics.json", "utf8"),
);

const answered: AnsweredQuestion[] = golden.cases.map(({ prediction, answer, answer_type }) => ({
  prompt: "?",
  prediction,
  answer,
  answerType: answer_type === "open" ? "OPEN" : "CLOSED",
}));

describe("22 pairs of the published functions", () => {
  test("are there", () => expect(golden.cases).toHaveLength(22));

  // The published script lower-cases before it calls the functions of BLEU; ours do so themselves.
  test.each(golden.cases)("$prediction | $answer", ({ prediction, answer, ...expected }) => {
    expect(normaliseForWords(prediction)).toBe(expected.normalized_prediction);
    expect(normaliseForWords(answer)).toBe(expected.normalized_answer);
    expect(publishedExactMatch(prediction, answer)).toBeCloseTo(expected.exact_match, 12);
    const { f1, precision, recall } = publishedOverlap(prediction, answer);
    expect([f1, precision, recall]).toEqual(
      [expected.f1, expected.precision, expected.recall].map((value) => expect.closeTo(value, 12)),
    );
    expect(([1, 2, 3] as const).map((n) => bleu(prediction, answer, n))).toEqual(
      expected.bleu.map((value) => expect.closeTo(value, 12)),
    );
    if (expected.correct !== undefined) expect(occurs({ prediction, answer })).toBe(expected.correct);
  });

  test("the table of averages, under its published names", () => {
    const table = publishedTable(scoreMedMoe(answered));
    expect(Object.keys(table)).toEqual(Object.keys(golden.table));
    for (const [name, percent] of Object.entries(golden.table))
      expect(100 * table[name], name).toBeCloseTo(percent, 10);
  });
});

describe("normaliseForWords", () => {
  test.each([
    // A mark with a blank beside it anywhere is deleted everywhere; else it becomes a blank.
    ["left/right", "left right"],
    ["left /right/up", "left rightup"],
    // A comma between digits deletes every mark.
    ["1,000 x-rays", "1000 xrays"],
    ["approx. 3.5 cm.", "approx 3.5 cm"],
    [".".repeat(40), ".".repeat(8)],
    ["None of the two", "0 of 2"],
    ["it isnt there, couldnt've been", "it isn't there couldn't've been"],
    ["somebody'd", "somebodyd"],
    ["y'allll Im", "y'all'll im"],
    ["१,२ x-y", "१२ xy"],
    ["", ""],
  ])("%j: %j", (text, expected) => expect(normaliseForWords(text)).toBe(expected));
});

describe("plain scores beside them", () => {
  test("closed: equal instead of contained", () => {
    const closed = (prediction: string, answer: string): AnsweredQuestion => ({
      prompt: "Is it?",
      prediction,
      answer,
      answerType: "CLOSED",
    });
    const pairs = [closed("Not normal", "no"), closed("No ", "no"), closed("yes", "No")];
    const { closed: published, plain } = scoreMedMoe(pairs);
    expect(published.accuracy).toMatchObject({ correct: 2, total: 3 });
    expect(plain.closed.exact).toMatchObject({ correct: 1, total: 3 });
    expect(wrongAnswers(pairs)).toEqual([{ prompt: "Is it?", correct_answer: "no", predicted_answer: "yes" }]);
  });

  test("F1: repeating a word does not raise the recall", () => {
    expect(publishedOverlap("lung lung lung", "left lung").recall).toBe(0.75);
    expect(plainOverlap("lung lung lung", "left lung")).toEqual({ f1: 0.4, precision: 1 / 3, recall: 0.5 });
    expect(plainOverlap("CT-scan, axial", "ct scan axial").f1).toBe(1);
    expect(plainOverlap("", "").f1).toBe(0);
  });

  test("is symmetric and 1 only for the same words", () => {
    const text = fc.array(fc.constantFrom("left", "lung", "mass", "no"), { maxLength: 6 }).map((w) => w.join(" "));
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(plainOverlap(a, b).f1).toBe(plainOverlap(b, a).f1);
        const same = a !== "" && [...a.split(" ")].sort().join() === [...b.split(" ")].sort().join();
        expect(plainOverlap(a, b).f1 === 1).toBe(same);
      }),
    );
  });
});

describe("nothing to count is NaN, not 0", () => {
  test("no open questions", () => {
    const { open, closed, plain } = scoreMedMoe(answered.filter(({ answerType }) => answerType === "CLOSED"));
    expect(open).toEqual({
      total: 0,
      exactMatch: Number.NaN,
      f1: Number.NaN,
      precision: Number.NaN,
      recall: Number.NaN,
      bleu: [Number.NaN, Number.NaN, Number.NaN],
    });
    expect([plain.open.exact.accuracy, plain.open.f1]).toEqual([Number.NaN, Number.NaN]);
    expect(closed.accuracy.total).toBe(6);
  });

  test("no closed questions, no questions", () => {
    const { closed } = scoreMedMoe(answered.filter(({ answerType }) => answerType === "OPEN"));
    expect([closed.accuracy.accuracy, closed.f1]).toEqual([Number.NaN, Number.NaN]);
    expect(scoreMedMoe([]).plain.all.exact.total).toBe(0);
    expect(wrongAnswers([])).toEqual([]);
  });
});
