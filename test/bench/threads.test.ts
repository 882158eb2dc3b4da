import { afterEach, describe, expect, it, vi } from "vitest";
import { benchDocumentSchema } from "../../bench/document.js";
import { numbered } from "../../bench/report/rows.js";
import { seriesOf } from "../../bench/report/scaling.js";
import { runBench } from "../../bench/run.js";
import type { Progress } from "../../bench/run-tasks.js";
import { Pool } from "../../engine/device/pool.js";

const settings = { peers: [], budgetSeconds: 1, device: "cpu" } as const;

describe("several numbers of threads", () => {
  afterEach(() => void vi.restoreAllMocks());

  it("are measured one after the other, ours and peers, in one document that shows the scaling", async () => {
    const seen: Progress[] = [];
    const document = await runBench("matmul", {
      ...{ ...settings, threads: [1, 2, 1], shapes: "32x32x32,16x16x16", peers: ["loops"] },
      onProgress: (progress) => void seen.push(progress),
    });
    expect(document.rows.map(({ threads, shape }) => `${threads}: ${shape}`)).toEqual([
      ...["1: 32x32x32", "1: 16x16x16", "2: 32x32x32", "2: 16x16x16"],
    ]);
    expect(document.ceilings.map(({ threads }) => threads)).toEqual([1, 2]);
    expect(document.environment).toMatchObject({ threads: 2, device: expect.stringMatching(/1 thread; .*2 threads$/) });
    for (const { peers } of document.rows) expect(peers.loops).toMatchObject({ ratio: expect.any(Number) });
    expect(benchDocumentSchema.parse(JSON.parse(JSON.stringify(document)))).toEqual(document);
    const series = seriesOf(numbered(document)).filter(({ axis }) => axis === "threads");
    expect(series.map(({ points }) => points.map(({ value }) => value))).toEqual([
      [1, 2],
      [1, 2],
    ]);

    expect(seen.map(({ row, rows, text }) => `${row}/${rows} ${text}`)).toEqual([
      ...["-1/4 ceilings of the device, 1 thread", "0/4 matmul forward 32x32x32, 1 thread"],
      ...["1/4 matmul forward 16x16x16, 1 thread", "-1/4 ceilings of the device, 2 threads"],
      ...["2/4 matmul forward 32x32x32, 2 threads", "3/4 matmul forward 16x16x16, 2 threads"],
    ]);
    // Of the budget, half is for the second number.
    expect(seen[0].secondsLeft).toBeCloseTo(settings.budgetSeconds, 1);
  });

  it("are named where a row fails", async () => {
    vi.spyOn(Pool.prototype, "resetPeak").mockImplementation(() => {
      throw new Error("no peak");
    });
    const { skipped } = await runBench("matmul", { ...settings, threads: [1, 2], shapes: "4x4x4" });
    expect(skipped.map(({ reason }) => reason)).toEqual([
      "it failed: no peak, 1 thread",
      "it failed: no peak, 2 threads",
    ]);
  });

  it("are refused before anything is measured, where they are none, or the device has none", async () => {
    const run = (threads: number[], device: "cpu" | "reference" = "cpu") =>
      runBench("matmul", { ...settings, threads, device, shapes: "4x4x4" });
    const form = "bench: threads are a whole number from 1 to 1024, or several of them, not";
    await expect(run([1, 0])).rejects.toThrow(`${form} 0.`);
    await expect(run([2, 1.5])).rejects.toThrow(`${form} 1.5.`);
    await expect(run([])).rejects.toThrow(`${form} none.`);
    await expect(run([1, 2], "reference")).rejects.toThrow(
      "bench: --threads 1,2: reference has no threads of ours. Use --device cpu, or one number.",
    );
  });
});
