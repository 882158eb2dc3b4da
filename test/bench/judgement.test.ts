import { describe, expect, it } from "vitest";
import { compareDocuments, hasPassed, judge, judgementText } from "../../bench/compare/index.js";
import type { BenchRow } from "../../bench/document.js";
import { OptionError } from "../../engine/index.js";
import { documentOf, row, rowOf, samplesOf } from "./documents.js";
import { simulated, take } from "./series.js";

describe("judge", () => {
  const comparison = compareDocuments(
    documentOf([row(1), row(1, { shape: "a" }), row(1, { shape: "b" }), row(1, { shape: "c" })]),
    documentOf([row(1), row(1.2, { shape: "a" }), row(1.06, { shape: "b" }), row(0.5, { shape: "c" })]),
  );

  it("finds rows that are slower beyond noise and below the ratio", () => {
    const shapes = (below: number) => judge(comparison, below).slower.map(({ new: now }) => now.shape);
    expect(shapes(0.95)).toEqual(["a", "b"]);
    expect(shapes(0.9)).toEqual(["a"]);
    expect(shapes(0.5)).toEqual([]);
    expect(judge(comparison, 0.9).passed.length).toBe(3);
    expect([0.9, 0.5].map((below) => hasPassed(judge(comparison, below)))).toEqual([false, true]);
  });

  const noisy = (seed: number, fields?: Partial<BenchRow>) =>
    rowOf(samplesOf(take(6, simulated(1, { spread: 0.2 }, seed))), fields);
  const { samplesUs: _, ...blind } = row(1, { shape: "blind" });

  it("does not know of noise that hides the ratio, nor of rows without samples; that fails where it is asked to", () => {
    const found = compareDocuments(
      documentOf([row(1), noisy(1, { shape: "noisy" }), blind]),
      documentOf([row(1), noisy(2, { shape: "noisy" }), blind]),
    );
    expect(found.rows.map(({ verdict }) => verdict)).toEqual(["same", "unclear", "no samples"]);
    const judgement = judge(found, 0.95);
    expect(judgement.undecided.map(({ new: now }) => now.shape)).toEqual(["noisy", "blind"]);
    expect([hasPassed(judgement), hasPassed(judgement, { strict: true })]).toEqual([true, false]);
    // As noisy as it is, it is no four times slower.
    const far = judge(found, 0.25);
    expect(far.undecided.map(({ new: now }) => now.shape)).toEqual(["blind"]);
  });

  it("has not passed where nothing could be judged", () => {
    const none = judge(compareDocuments(documentOf([noisy(1)]), documentOf([noisy(2)])), 0.95);
    expect([none.undecided.length, none.passed.length, hasPassed(none)]).toEqual([1, 0, false]);
  });

  it("refuses what is no check", () => {
    for (const below of [0, -1, 1.5, Number.NaN])
      expect(() => judge(comparison, below)).toThrow(
        `--fail-below takes a ratio above 0 and at most 1, such as 0.95, not ${below}.`,
      );
    const apart = compareDocuments(documentOf([row(1)]), documentOf([row(1, { shape: "a" })]));
    expect(() => judge(apart, 0.95)).toThrow(OptionError);
    expect(() => judge(apart, 0.95)).toThrow("--fail-below: no row is in both documents.");
  });

  it("is told in words, with what to do", () => {
    const found = compareDocuments(documentOf([row(1), blind]), documentOf([row(1.2), blind]));
    const judgement = judge(found, 0.95);
    const slower = `1 below 0.95:
  matmul forward 8x8x8, cpu, 1 thread: ${judgement.slower[0].ratio.toFixed(3)}
`;
    const unknown = (
      effect: string,
    ) => `1 too noisy to tell, or without samples, ${effect}. A longer --budget or a quieter machine helps:
  matmul forward blind, cpu, 1 thread: 1.000
`;
    const head = (outcome: string, passed: number, of: number) =>
      `--fail-below 0.95: ${outcome}, ${passed} of ${of} rows are known to be no slower.\n`;
    expect(judgementText(judgement, 0.95, { strict: true })).toBe(
      `${head("failed", 0, 2)}${slower}${unknown("and --fail-unclear makes that a failure")}`,
    );
    const passing = judge(compareDocuments(documentOf([row(1), blind]), documentOf([row(1), blind])), 0.95);
    expect(judgementText(passing, 0.95)).toBe(
      `${head("passed", 1, 2)}${unknown("and count as passed; --fail-unclear makes them a failure")}`,
    );
    const nothing = judge(compareDocuments(documentOf([blind]), documentOf([blind])), 0.95);
    expect(judgementText(nothing, 0.95)).toBe(
      `${head("failed", 0, 1)}${unknown("and a check of nothing has not passed")}`,
    );
  });
});
