import { describe, expect, it } from "vitest";
import { compareDocuments, comparisonText, judge } from "../../bench/compare/index.js";
import { ratioOf, widened } from "../../bench/compare/ratio.js";
import { timed, upload } from "../../bench/contenders/engine.js";
import type { BenchDocument, BenchRow } from "../../bench/document.js";
import { normals } from "../../bench/inputs.js";
import { interleave } from "../../bench/row/rounds.js";
import { matmul, openDevice, scope } from "../../engine/index.js";
import { documentOf, pieces, row, rowOf, samplesOf } from "./documents.js";
import { type Noise, simulated, simulatedContender, take } from "./series.js";

const ROWS = 40;
/** A machine that is quiet: pieces differ by 1.5 % and resemble their neighbours, runs by 0.7 %, some pieces take long. */
const quiet: Noise = { spread: 0.015, correlation: 0.3, run: 0.007, spikes: true };

/**
 * A document of simulated kernels of 1 us to 3 ms, timed as any contender, in 50 pieces: some seconds of a row's budget. A
 * kernel takes `slower` times as long as it is.
 */
async function run(seed: number, slower = 1): Promise<BenchDocument> {
  const rows: BenchRow[] = [];
  for (let i = 0; i < ROWS; i++) {
    const kernel = simulated(slower * 1e-6 * 1.22 ** i, quiet, seed * ROWS + i);
    const [samples] = await interleave([simulatedContender(kernel)], { seconds: 0, calls: 1 });
    rows.push(rowOf(samples, { shape: `${i}x8x8` }));
  }
  return documentOf(rows);
}

const verdicts = (old: BenchDocument, now: BenchDocument) => compareDocuments(old, now).rows.map((row) => row.verdict);

const one = (old: BenchRow, now: BenchRow) => compareDocuments(documentOf([old]), documentOf([now])).rows[0];

describe("a comparison of runs", () => {
  it("catches a kernel that is delayed by 10 %, in every row and both ways", async () => {
    const [before, after] = [await run(1), await run(2, 1.1)];
    expect(verdicts(before, after)).toEqual(Array(ROWS).fill("slower"));
    expect(verdicts(after, before)).toEqual(Array(ROWS).fill("faster"));
    expect(judge(compareDocuments(before, after), 0.95).slower.length).toBe(ROWS);
  });

  it("catches it as the only one of its document", async () => {
    const [before, after] = [await run(3), await run(4)];
    after.rows[7] = (await run(5, 1.1)).rows[7];
    const found = compareDocuments(before, after);
    expect(judge(found, 0.95).slower.map(({ new: now }) => now.shape)).toEqual(["7x8x8"]);
  });

  it("flags nothing of an unchanged program, in 20 runs of 40 rows", async () => {
    const before = await run(100);
    for (let i = 1; i <= 20; i++) {
      const found = compareDocuments(before, await run(100 + i));
      const moved = found.rows.filter(({ verdict }) => verdict === "slower" || verdict === "faster");
      expect(moved, `run ${i}`).toEqual([]);
    }
  });

  it("finds intervals that two runs agree in, in 95 % of rows, and that are no wider than 5 % to a side", async () => {
    const [first, second] = [await run(200), await run(201)];
    const agreeing = first.rows.filter(({ intervalUs: a }, i) => {
      const b = second.rows[i].intervalUs;
      return a && b && a[0] <= b[1] && b[0] <= a[1];
    });
    expect(agreeing.length).toBeGreaterThanOrEqual(0.95 * ROWS);
    for (const { intervalUs = [0, 0], medianUs } of first.rows)
      expect((intervalUs[1] - intervalUs[0]) / 2 / medianUs).toBeLessThan(0.05);
  });

  it("finds a real kernel that runs four times in place of one, by the processor's time whatever else runs", async () => {
    const device = await openDevice("cpu", { threads: 1 });
    const a = upload(device, normals([96, 96], 0));
    const products = (calls: number) => {
      for (let i = 0; i < calls; i++) scope(() => void matmul(a, a));
    };
    const contender = timed(device, products, () => a.dispose());
    const [plain, slow] = [samplesOf([]), samplesOf([])];
    await contender.time(500);
    for (let round = 0; round < 40; round++)
      for (const [samples, times] of [
        [plain, 1],
        [slow, 4],
      ] as const) {
        const { seconds, cpuSeconds } = await contender.time(100 * times);
        samples.seconds.push(seconds / 100);
        samples.cpuSeconds.push((cpuSeconds ?? seconds) / 100);
      }
    const loaded = (samples: typeof plain) => rowOf(samples, { othersCpu: 0.5 });
    const found = one(loaded(plain), loaded(slow));
    expect(found).toMatchObject({ basis: "CPU", verdict: "slower" });
    expect(found.ratio).toBeLessThan(0.5);
    expect(one(loaded(slow), loaded(plain)).verdict).toBe("faster");
    await contender.release();
    device.close();
  });
});

describe("ratioOf", () => {
  it("is old by new, and its interval holds the true ratio", () => {
    const held = Array.from({ length: 300 }, (_, i) => {
      const noise: Noise = { spread: 0.1, correlation: 0.5 };
      const { interval } = ratioOf(take(50, simulated(3, noise, i)), take(50, simulated(2, noise, 1000 + i)));
      return interval[0] <= 1.5 && 1.5 <= interval[1];
    });
    expect(held.filter(Boolean).length / 300).toBeGreaterThan(0.9);
    expect(ratioOf([3, 3, 3], [2, 2, 2])).toEqual({ ratio: 1.5, interval: [1.5, 1.5] });
  });

  it("is widened for the number of rows, on both sides of the ratio", () => {
    const found = { ratio: 2, interval: [1.9, 2.2] } as const;
    const [low, high] = widened(found, 1);
    const [lower, higher] = widened(found, 100);
    expect(lower).toBeLessThan(low);
    expect(low).toBeLessThan(1.9);
    expect(higher).toBeGreaterThan(high);
    expect(high).toBeGreaterThan(2.2);
  });
});

describe("compareRows", () => {
  it("says what it cannot tell: noise that would hide 10 %, or no samples at all", () => {
    const noisy = (seed: number) => rowOf(samplesOf(take(6, simulated(1, { spread: 0.2 }, seed))));
    expect(one(noisy(1), noisy(2)).verdict).toBe("unclear");
    expect(one(row(1), row(1.01)).verdict).toBe("same");
    const { samplesUs, intervalUs, ...old } = row(2);
    expect(one(old, row(1))).toMatchObject({ verdict: "no samples", interval: null, basis: "clock" });
    expect(one(old, row(1)).ratio).toBeCloseTo(2, 1);
    expect(one(row(1), { ...old, samplesUs: [] }).verdict).toBe("no samples");
  });

  it("goes by the processor's time beside other work, and asks more of it", () => {
    const cpu = (clock: number, processor: number, othersCpu: number) =>
      rowOf(samplesOf(pieces(clock), pieces(processor)), { othersCpu });
    // The clock says twice as long; the processor worked no more.
    expect(one(cpu(1, 1, 0), cpu(2, 1.05, 0.5))).toMatchObject({ basis: "CPU", verdict: "unclear" });
    expect(one(cpu(1, 1, 0), cpu(2, 2, 0.5))).toMatchObject({ basis: "CPU", verdict: "slower" });
    expect(one(cpu(1, 1, 0), cpu(2, 1, 0.1))).toMatchObject({ basis: "clock", verdict: "slower" });
    // A GPU computes, the processor waits.
    const [cuda, later] = [cpu(1, 1, 0.5), cpu(2, 1, 0.5)].map((found) => ({ ...found, device: "cuda" }));
    expect(one(cuda, later)).toMatchObject({ basis: "clock", verdict: "slower" });
    // Nobody told the processor's time.
    expect(one(row(1), row(1.2, { othersCpu: 0.5 }))).toMatchObject({ basis: "clock", verdict: "unclear" });
  });

  it("tells how the ratio to a peer moved, where both rows have it", () => {
    const peer = { ...row(2), version: "1", ratio: 2, cpuRatio: 3, ours: "faster", difference: 0 } as never;
    const blank = { medianUs: null, ratio: null, reason: "not installed" };
    const moved = { ...(peer as object), ratio: 2.5 } as never;
    const found = one(row(1, { peers: { ort: peer, torch: peer } }), row(1, { peers: { ort: moved, torch: blank } }));
    expect(found.peers).toEqual({ ort: { old: 2, new: 2.5 } });
  });
});

describe("compareDocuments", () => {
  it("pairs rows of the same work, and lists the others", () => {
    const same = [
      row(1),
      row(2, { shape: "9x9x9" }),
      row(3, { routing: "zipf" }),
      row(4, { pass: "backward" }),
      row(5, { dtype: "bf16" }),
      row(6, { threads: 2 }),
      row(7, { device: "webgpu" }),
    ];
    const found = compareDocuments(
      documentOf([...same, row(8, { shape: "1x1x1" })]),
      documentOf([row(9, { shape: "2x2x2" }), ...same.toReversed()]),
    );
    expect(found.rows.map(({ ratio }) => ratio)).toEqual(Array(7).fill(1));
    expect(found.onlyOld.map(({ shape }) => shape)).toEqual(["1x1x1"]);
    expect(found.onlyNew.map(({ shape }) => shape)).toEqual(["2x2x2"]);
    // The same work twice: in order.
    const twice = compareDocuments(documentOf([row(1), row(2)]), documentOf([row(1), row(2), row(3)]));
    expect(twice.rows.map(({ ratio }) => ratio)).toEqual([1, 1]);
    expect(twice.onlyNew.length).toBe(1);
  });

  it("says what else differs: machine, device, version, commit, threads, peers", () => {
    const old = documentOf([row(1)], { peers: { ort: "1.20", torch: "2.4", tfjs: "4" } });
    const now = documentOf([row(1)], {
      ...{ chip: "Chip B", memoryBytes: 16e9, device: "other adapter", version: "0.2.0", commit: null, threads: 2 },
      peers: { ort: "1.21", torch: "2.4" },
    });
    expect(compareDocuments(old, now).differences).toEqual([
      { what: "chip", old: "Chip A", new: "Chip B", machine: true },
      { what: "memory", old: "8000000000", new: "16000000000", machine: true },
      { what: "device", old: "cpu", new: "other adapter", machine: true },
      { what: "version", old: "0.1.0", new: "0.2.0", machine: false },
      { what: "commit", old: "abc", new: "unknown", machine: false },
      { what: "threads", old: "1", new: "2", machine: false },
      { what: "peer ort", old: "1.20", new: "1.21", machine: false },
    ]);
    // The kernel takes more or less of the memory for itself.
    expect(compareDocuments(old, documentOf([], { memoryBytes: 8.01e9 })).differences).toEqual([]);
    const timed = samplesOf([1, 1, 1, 1, 1]);
    expect(compareDocuments(documentOf([rowOf(timed)]), documentOf([rowOf(timed, { copies: 5 })])).differences).toEqual(
      [{ what: "inputs", old: "the same in every call", new: "copies in turn, past the caches", machine: false }],
    );
  });
});

describe("comparisonText", () => {
  it("is a table with what differs before it and what it comes to after it", () => {
    const { samplesUs, ...old } = rowOf(samplesOf([4e-6, 4e-6, 4e-6]), { shape: "b" });
    const even = (us: number, fields?: Partial<BenchRow>) => rowOf(samplesOf(Array(10).fill(us / 1e6)), fields);
    const text = comparisonText(
      compareDocuments(
        documentOf([even(1), old, even(1, { shape: "old" })]),
        documentOf([even(1.25), even(2, { shape: "b" }), even(1, { shape: "new", dtype: "bf16" })], { chip: "Chip B" }),
      ),
    );
    expect(text).toBe(`Different besides the code's speed:
  chip: Chip A -> Chip B

The machine is not the same: ratios compare the machines, too.

operation  pass     shape  old us  new us  old / new   95 % interval  verdict
---------  -------  -----  ------  ------  ---------  --------------  ----------
matmul     forward  8x8x8       1    1.25      0.800  0.800 to 0.800  slower
matmul     forward  b           4       2      2.000                  no samples

Only in the old document:
  matmul forward old, cpu, 1 thread

Only in the new document:
  matmul forward new bf16, cpu, 1 thread

1 slower:
  matmul forward 8x8x8, cpu, 1 thread: 0.800
1 without samples in one of the documents: the ratio alone, noise unknown.
`);
  });

  it("says of each row that goes by the CPU that its times are the CPU's", () => {
    const loaded = (us: number) => rowOf(samplesOf(Array(10).fill(1e-6), Array(10).fill(us / 1e6)), { othersCpu: 0.5 });
    const quiet = rowOf(samplesOf(Array(10).fill(3e-6)), { shape: "quiet" });
    const text = comparisonText(compareDocuments(documentOf([loaded(2), quiet]), documentOf([loaded(2), quiet])));
    expect(text).toMatch(/8x8x8 +2 CPU +2 CPU .* CPU of all threads, beside other work/);
    expect(text).toMatch(/quiet +3 +3 .* clock/);
  });

  it("says so where nothing can be compared", () => {
    const text = comparisonText(compareDocuments(documentOf([row(1)]), documentOf([])));
    expect(text).toBe(
      "No row is in both documents.\n\nOnly in the old document:\n  matmul forward 8x8x8, cpu, 1 thread\n",
    );
  });
});
