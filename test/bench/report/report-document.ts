import { expect } from "vitest";
import type { BenchDocument, BenchRow, Ceiling, TimedPeer } from "../../../bench/document.js";

export const peer = (medianUs: number, more: Partial<TimedPeer> = {}): TimedPeer => ({
  ...{ medianUs, p10Us: 0.9 * medianUs, p90Us: 1.2 * medianUs, intervalUs: [0.95 * medianUs, 1.05 * medianUs] },
  ...{ samples: 9, calls: 2, version: "1.2.3", ratio: medianUs / 100, difference: 1e-7 },
  ours: medianUs > 100 ? "faster" : "slower",
  ...more,
});

export const row = (more: Partial<BenchRow> = {}): BenchRow => ({
  ...{ suite: "moe", op: "mixtureOfExperts", pass: "forward", name: "a layer", device: "cpu", dtype: "f32" },
  ...{ shape: "512x256x704x4x2", set: "mixtral-8x7b-mini", routing: "balanced", threads: 1 },
  ...{ medianUs: 100, p10Us: 90, p90Us: 120, intervalUs: [98, 103], samples: 9, calls: 2 },
  ...{ flops: 8e6, bytes: 1e6, peakBytes: 2e6, savedBytes: 5e5, othersCpu: 0.01 },
  roofline: { limit: "compute", limitUs: 80, share: 0.8 },
  phases: [
    { phase: "routing", pass: "forward", us: 20, launches: 3 },
    { phase: "up", pass: "forward", us: 78, launches: 1 },
  ],
  peers: {
    torch: peer(150, { form: "grouped_mm" }),
    tfjs: peer(50, { note: "by means" }),
    dense: peer(90, { difference: null }),
    jax: { medianUs: null, ratio: null, reason: "no such operation" },
  },
  ...more,
});

export const ceiling: Ceiling = {
  ...{ device: "cpu", dtype: "f32", threads: 1 },
  ...{ flopsPerSecond: 1e11, copyBytesPerSecond: 1.4e10, launchSeconds: 2e-6 },
};

export const document = (more: Partial<BenchDocument> = {}): BenchDocument => ({
  version: 2,
  environment: {
    ...{
      date: "2026-11-26T04:20:14.504Z",
      command: "npx consilium bench moe",
      version: "0.1.0",
      commit: "0123456789abcdef",
    },
    ...{ chip: "A chip", cores: 2, affinity: "0-1", threads: 1, memoryBytes: 25e9, node: "v20.20.2", os: "Linux" },
    ...{
      flags: { CONSILIUM_SIMD: "AVX2" },
      load: { before: [0.1, 0.2, 0.3], after: [1, 1, 1] },
      device: "A chip, AVX2",
    },
    ...{
      gpu: { before: "driver 580, 1980 MHz", after: "1500 MHz" },
      simd: "AVX2",
      peers: { torch: "2.13.0", jax: "none" },
    },
  },
  ceilings: [ceiling],
  rows: [
    row(),
    row({ shape: "1024x256x704x4x2", medianUs: 190, routing: "balanced" }),
    row({ shape: "512x256x704x4x2", medianUs: 60, threads: 2 }),
    row({ medianUs: 130, routing: "one-hot", phases: null }),
    row({ roofline: { limit: "launches", limitUs: 50, share: 0.5 }, shape: "2x256x704x4x2", flops: 1e3, bytes: 1e3 }),
  ],
  skipped: [
    { suite: "moe", op: "mixtureOfExperts", pass: "forward", shape: "9x9x9x9x9", reason: "needs 99 GB of 25 GB" },
  ],
  ...more,
});

/** What documents of version 1 lack, and whatever else may be missing. */
export const bare = (): BenchDocument => {
  const { intervalUs, set, routing, savedBytes, roofline, phases, othersCpu, ...old } = row({
    flops: null,
    bytes: null,
  });
  const { command, gpu, ...environment } = document().environment;
  const { intervalUs: _, ...torch } = peer(150);
  const rows: BenchRow[] = [
    { ...old, peers: { torch } },
    { ...old, flops: 0, bytes: 0, peers: {} as BenchRow["peers"] },
  ];
  return document({ environment: { ...environment, commit: null, peers: {} }, ceilings: [], rows, skipped: [] });
};

export const VOID = new Set(["meta", "br", "img"]);

/** Every tag is closed in order, every attribute quoted, every & an entity. */
export function wellFormed(page: string): void {
  const open: string[] = [];
  const body = page.replace("<!doctype html>", "").replace(/<style>[^<]*<\/style>/, "");
  let at = 0;
  for (const found of body.matchAll(/<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g)) {
    const between = body.slice(at, found.index);
    expect(between, "text between tags").not.toMatch(/[<>]|&(?!(amp|lt|gt|quot|#39);)/);
    at = found.index + found[0].length;
    const [, closes, name, , alone] = found;
    if (closes) expect(open.pop(), `what </${name}> closes`).toBe(name);
    else if (!alone && !VOID.has(name)) open.push(name);
  }
  expect(body.slice(at).trim()).toBe("");
  expect(open).toEqual([]);
}

export const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found]) => found);
