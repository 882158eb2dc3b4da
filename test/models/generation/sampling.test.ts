import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { candidates, checkSampling, pick, probabilities } from "../../../models/generation/index.js";

const logits = fc.array(fc.double({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 40 });

describe("sampling", () => {
  test("candidates are the largest, equal ones by id", () => {
    expect([...Array.from(candidates([1, 3, 2, 3], 3).ids)]).toEqual([1, 3, 2]);
    expect([...Array.from(candidates([0, 0, 0]).ids)]).toEqual([0, 1, 2]);
  });

  test("probabilities: softmax, then the nucleus, at least one", () => {
    const from = candidates(Float64Array.of(0.5, 0.3, 0.15, 0.05).map(Math.log));
    expect([...probabilities(from, 1)].map((p) => p.toFixed(4))).toEqual(["0.5000", "0.3000", "0.1500", "0.0500"]);
    expect([...probabilities(from, 1, 0.7)].map((p) => p.toFixed(4))).toEqual(["0.6250", "0.3750"]);
    expect([...probabilities(from, 1, 0.01)]).toEqual([1]);
    expect(probabilities(from, 0.01)[0]).toBeGreaterThan(0.9999);
    expect(probabilities(from, 100)[3]).toBeGreaterThan(0.24);
  });

  test("for any logits they sum to 1, descend, and a prefix of the candidates has at least topP of the whole", () => {
    fc.assert(
      fc.property(
        logits,
        fc.double({ min: 0.05, max: 5, noNaN: true }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (row, t, topP) => {
          const from = candidates(row);
          const all = probabilities(from, t);
          const p = probabilities(from, t, topP);
          expect(p.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
          for (let i = 1; i < p.length; i++) expect(p[i]).toBeLessThanOrEqual(p[i - 1]);
          const mass = (n: number) => all.subarray(0, n).reduce((a, b) => a + b, 0);
          expect(mass(p.length)).toBeGreaterThanOrEqual(topP - 1e-9);
          if (p.length > 1) expect(mass(p.length - 1)).toBeLessThan(topP + 1e-9);
        },
      ),
    );
  });

  test("pick follows the shares, and stays inside where rounding leaves a gap", () => {
    const from = { ids: [7, 3, 9], logits: [0, 0, 0] };
    const p = Float64Array.of(0.5, 0.25, 0.25);
    expect([0, 0.49, 0.5, 0.74, 0.75, 0.999].map((u) => pick(from, p, u))).toEqual([7, 7, 3, 3, 9, 9]);
    expect(pick(from, Float64Array.of(0.3, 0.3, 0.3), 0.95)).toBe(9);
  });

  test("bad options say what is needed", () => {
    expect(() => checkSampling({ temperature: -1 })).toThrow("`temperature` is -1; a number of 0 or more is needed");
    expect(() => checkSampling({ topK: 0 })).toThrow("`topK` is 0; a whole number of 1 or more is needed.");
    expect(() => checkSampling({ topP: 0 })).toThrow("`topP` is 0; a number above 0 and at most 1 is needed.");
  });
});
