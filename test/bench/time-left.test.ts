import { describe, expect, it } from "vitest";
import { shareOf, TimeLeft } from "../../bench/time-left.js";

/**
 * What is said before each row of a run whose rows take `fixed` seconds beyond their share, and `calls` times the least that a
 * call of theirs takes; and what was left then.
 */
function told(least: readonly number[], budget: number, { fixed = 0, calls = 0 }): { said: number; left: number }[] {
  const timeLeft = new TimeLeft(least);
  const at: number[] = [];
  const said: number[] = [];
  let now = 0;
  for (const [row, call] of least.entries()) {
    at.push(now);
    said.push(timeLeft.after(budget - now));
    const share = shareOf(budget - now, least.length - row);
    const seconds = share + fixed + calls * call;
    timeLeft.done(share, seconds);
    now += seconds;
  }
  return said.map((seconds, row) => ({ said: seconds, left: now - at[row] }));
}

const ROWS = Array.from({ length: 20 }, () => 0.001);

describe("the time that is left", () => {
  it("is the budget where rows keep to their share", () => {
    for (const { said, left } of told(ROWS, 60, {})) expect(said).toBeCloseTo(left, 6);
  });

  it("is more than the budget from the second row on, where rows take longer than their share", () => {
    const [first, ...others] = told(ROWS, 10, { fixed: 2 });
    expect(first.said).toBe(10);
    expect(first.left).toBeGreaterThan(35);
    for (const { said, left } of others) expect(said / left).toBeCloseTo(1, 6);
  });

  it("grows with the calls of the rows to come, small ones first", () => {
    const growing = Array.from({ length: 10 }, (_, i) => 0.05 * 2 ** i);
    for (const { said, left } of told(growing, 5, { calls: 30 }).slice(4)) {
      expect(said / left).toBeGreaterThan(0.8);
      expect(said / left).toBeLessThan(1.2);
    }
  });

  it("is nothing after the last row", () => {
    const timeLeft = new TimeLeft([0.1]);
    timeLeft.done(1, 2);
    expect(timeLeft.after(-1)).toBe(0);
  });
});
