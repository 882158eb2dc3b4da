import type { BenchDocument, BenchRow, Environment } from "../../bench/document.js";
import { timing } from "../../bench/row/results.js";
import type { Samples } from "../../bench/row/rounds.js";
import { simulated, take } from "./series.js";

export const samplesOf = (seconds: number[], cpuSeconds: number[] = []): Samples => ({
  seconds,
  cpuSeconds,
  calls: 1,
  failure: null,
});

/** A row of a product of 8³ with these pieces. */
export const rowOf = (samples: Samples, fields: Partial<BenchRow> = {}): BenchRow => ({
  ...{ suite: "matmul", op: "matmul", pass: "forward", name: "small", device: "cpu", dtype: "f32", shape: "8x8x8" },
  ...{ threads: 1, flops: 1024, bytes: 768, peakBytes: 768, savedBytes: null, roofline: null, phases: null },
  ...{ set: null, routing: null, othersCpu: 0, peers: {} },
  ...timing(samples),
  ...fields,
});

/** Pieces about a median, all but even. */
export const pieces = (median: number, seed = 1) => take(20, simulated(median, { spread: 0.005 }, seed));

/** A row with such pieces. */
export const row = (median: number, fields: Partial<BenchRow> = {}): BenchRow =>
  rowOf(samplesOf(pieces(median)), fields);

export const documentOf = (rows: BenchRow[], fields: Partial<Environment> = {}): BenchDocument => ({
  version: 2,
  environment: {
    ...{
      date: "2026-01-02T03:04:05.000Z",
      command: "consilium bench",
      version: "0.1.0",
      commit: "abc",
      chip: "Chip A",
    },
    ...{ cores: 2, affinity: "0-1", threads: 1, memoryBytes: 8e9, node: "v22.0.0", os: "Linux 6 x64", flags: {} },
    ...{ load: { before: [0, 0, 0], after: [0, 0, 0] }, device: "cpu", simd: "AVX2", peers: {} },
    ...fields,
  },
  ceilings: [],
  rows,
  skipped: [],
});
