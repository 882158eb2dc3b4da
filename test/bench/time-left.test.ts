import { setTimeout } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import type { Ceiling } from "../../bench/document.js";
import { runTasks } from "../../bench/run-tasks.js";
import { tasksOf } from "../../bench/suites/index.js";
import { shareOf, TimeLeft } from "../../bench/time-left.js";
import { openDevice } from "../../engine/index.js";

const CEILINGS_SECONDS = 0.3;
vi.mock("../../bench/ceilings/index.js", async (original) => ({
  ...(await original<object>()),
  measureCeilings: async (): Promise<Ceiling> => {
    await setTimeout(1000 * CEILINGS_SECONDS);
    const rates = { flopsPerSecond: 1e9, copyBytesPerSecond: 1e9, launchSeconds: 1e-6 };
    return { device: "reference", dtype: "f32", threads: 1, ...rates };
  },
}));

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

  it("holds the ceilings after the rows, which take as long as those before", async () => {
    using device = await openDevice("reference");
    const { tasks } = tasksOf("matmul", { shapes: "4x4x4,5x5x5", pass: "forward" });
    const said: number[] = [];
    const onProgress = ({ secondsLeft }: { secondsLeft: number }) => void said.push(secondsLeft);
    // Nothing of the budget is left for the rows.
    await runTasks(device, tasks, [], { threads: 1, dtype: "f32", budgetSeconds: CEILINGS_SECONDS / 2, onProgress });
    const [whole, first, second] = said;
    expect(whole).toBe(CEILINGS_SECONDS / 2);
    expect(first).toBeCloseTo(CEILINGS_SECONDS, 1);
    expect(second).toBeGreaterThan(first);
  });

  it("is nothing after the last row", () => {
    const timeLeft = new TimeLeft([0.1]);
    timeLeft.done(1, 2);
    expect(timeLeft.after(-1)).toBe(0);
  });
});
