import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normaliseAnswer, publishedYesNo, sameAnswer } from "../../models/data/answers.js";
import type { AnswerType, VqaRecord } from "../../models/data/record.js";
import { loadOrgan, loadVqaRad } from "../../models/data/vqa-rad.js";
import { wilson } from "../../models/eval/intervals.js";
import { majorityAnswer, majorityBaselines } from "../../models/eval/majority.js";
import { marks, score } from "../../models/eval/metrics.js";
import { comparePaired, mcnemar } from "../../models/eval/paired.js";
import { formatResults } from "../../models/eval/results.js";

const question = (answer: string, answerType?: AnswerType, category?: string): VqaRecord => ({
  image: "a.png",
  question: "?",
  answer,
  answerType,
  category,
  qid: "",
  row: 0,
});

describe("answers", () => {
  test("published map: four spellings and no other", () => {
    expect(["yes", "Yes", "no", "No"].map(publishedYesNo)).toEqual(["yes", "yes", "no", "no"]);
    expect(["YES", "yes ", "n", "", "left"].map(publishedYesNo)).toEqual(new Array(5).fill(undefined));
  });

  test("the same but for case, blanks and blanks around punctuation", () => {
    expect(sameAnswer(" X-ray ", "x - ray")).toBe(true);
    expect(sameAnswer("left  lung", "Left lung")).toBe(true);
    expect(sameAnswer("left lung", "leftlung")).toBe(false);
    expect(sameAnswer("5.6cm", "5. 6 cm")).toBe(false);
    expect(normaliseAnswer("The patient 's (right) side.")).toBe("the patient's(right)side.");
  });
});

describe("score", () => {
  const records = [
    question("Yes", "CLOSED", "HEAD"),
    question("no", "CLOSED", "HEAD"),
    question("YES", "CLOSED", "CHEST"),
    question("Left", "CLOSED", "CHEST"),
    question("axial plane", "OPEN", "HEAD"),
    question("no", "OPEN", "ABD"),
  ];

  test("a hand-made list, both ways of counting", () => {
    const { published, byType, byCategory } = score(records, ["yes", "yes", "yes", "left", "coronal", "No"]);
    const fraction = ({ correct, total }: { correct: number; total: number }) => `${correct}/${total}`;
    expect(Object.values(published).map(fraction)).toEqual(["2/3", "2/3", "4/6"]);
    expect(Object.values(byType).map(fraction)).toEqual(["3/4", "1/2"]);
    expect(Object.entries(byCategory).map(([name, value]) => `${name} ${fraction(value)}`)).toEqual([
      "ABD 1/1",
      "CHEST 2/2",
      "HEAD 1/3",
    ]);
  });

  test("a prediction that only looks like yes is wrong for a yes/no question, as published", () => {
    expect(marks([question("Yes")], ["YES"])).toEqual([false]);
    expect(marks([question("yes")], ["yes "])).toEqual([false]);
  });

  test("nothing to count is NaN with the widest interval; lengths have to agree", () => {
    expect(score([], []).published.closed).toEqual({
      correct: 0,
      total: 0,
      accuracy: Number.NaN,
      interval: { low: 0, high: 1 },
    });
    expect(() => score(records, ["yes"])).toThrow("score: 1 predictions for 6 questions.");
  });
});

describe("result files", () => {
  const records = ["1", "007", "organ-3"].map((qid) => ({ ...question("x"), qid }));

  test("hold every answer, published ids as numbers", () => {
    const text = formatResults(records, ["yes", 'a "b"', ""]);
    expect(JSON.parse(text)).toEqual([
      { qid: 1, answer: "yes" },
      { qid: "007", answer: 'a "b"' },
      { qid: "organ-3", answer: "" },
    ]);
    expect(() => formatResults(records, [])).toThrow("formatResults: 0 predictions for 3 questions.");
  });
});

describe("majority baselines", () => {
  const percent = ({ accuracy }: { accuracy: { accuracy: number } }) => (accuracy.accuracy * 100).toFixed(1);

  test("VQA-RAD: 29.5 % of all, 53.0 % of yes/no, 48.9 % of CLOSED, 6.1 % of OPEN", async () => {
    const { train, test } = await loadVqaRad("data/vqa-rad");
    const { global, closed, typeClosed, typeOpen } = majorityBaselines(train, test);
    expect(
      [global, closed, typeClosed, typeOpen].map((b) => `${b.answer} ${percent(b)} of ${b.accuracy.total}`),
    ).toEqual(["no 29.5 of 451", "no 53.0 of 251", "no 48.9 of 272", "axial 6.1 of 179"]);
  });

  test("organ: 33.3 %", async () => {
    const { train, test } = await loadOrgan("data/vqa-rad");
    expect(percent(majorityBaselines(train, test).global)).toBe("33.3");
  });

  test("ties go to the first in the alphabet, whatever the order", () => {
    expect(majorityAnswer(["b", "A", "B", "a", "c"].map((answer) => question(answer)))).toBe("a");
    expect(majorityAnswer([])).toBe("");
  });
});

describe("wilson", () => {
  // Newcombe (1998), Statistics in Medicine 17, table I: 81/263, 15/148, 0/20, 1/29.
  test.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])("%i of %i", (correct, total, low, high) => {
    expect(wilson(correct, total).low).toBeCloseTo(low, 4);
    expect(wilson(correct, total).high).toBeCloseTo(high, 4);
  });

  test("holds the proportion, stays in [0, 1], mirrors", () => {
    fc.assert(
      fc.property(fc.nat(500), fc.nat(500), (correct, wrong) => {
        const total = correct + wrong;
        const { low, high } = wilson(correct, total);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        if (total > 0) {
          expect(low).toBeLessThanOrEqual(correct / total);
          expect(high).toBeGreaterThanOrEqual(correct / total);
          expect(wilson(wrong, total).low).toBeCloseTo(1 - high, 12);
        }
      }),
    );
  });
});

describe("paired comparison", () => {
  test.each([
    [0, 0, 1],
    [5, 5, 1],
    [0, 5, 0.0625],
    [1, 9, 22 / 1024],
    [3, 12, 2 * (1 + 15 + 105 + 455) * 2 ** -15],
  ])("McNemar exact: %i against %i", (a, b, p) => {
    expect(mcnemar(a, b)).toBeCloseTo(p, 14);
    expect(mcnemar(b, a)).toBeCloseTo(p, 14);
  });

  test("McNemar does not underflow for thousands of questions", () => {
    // Normal approximation with continuity correction: z = 99 / sqrt(4000), p = 0.1175.
    expect(mcnemar(1950, 2050)).toBeCloseTo(0.1175, 3);
  });

  test("interval of the difference agrees with its normal approximation and repeats with the seed", () => {
    // 400 questions: 40 only A, 80 only B. Standard error of the mean gain by the formula.
    const a = Array.from({ length: 400 }, (_, i) => i < 40 || i >= 200);
    const b = Array.from({ length: 400 }, (_, i) => i >= 120);
    const result = comparePaired(a, b, { seed: 1 });
    expect([result.onlyA, result.onlyB, result.difference]).toEqual([40, 80, 0.1]);
    const error = Math.sqrt((120 / 400 - 0.1 ** 2) / 400);
    // The end of a percentile interval from 10000 samples wavers by about 0.03 standard errors.
    expect(Math.abs(result.interval.low - (0.1 - 1.96 * error))).toBeLessThan(0.15 * error);
    expect(Math.abs(result.interval.high - (0.1 + 1.96 * error))).toBeLessThan(0.15 * error);
    expect(comparePaired(a, b, { seed: 1 })).toEqual(result);
    const few = [1, 2].map((seed) => comparePaired(a, b, { seed, samples: 20 }).interval);
    expect(few[0]).not.toEqual(few[1]);
  });

  test("needs the same questions", () => {
    expect(() => comparePaired([true], [])).toThrow("comparePaired: 1 and 0 marks");
    expect(() => comparePaired([], [])).toThrow("comparePaired: 0 and 0 marks");
  });
});
