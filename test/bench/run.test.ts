import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { benchDocumentSchema } from "../../bench/document.js";
import { runBench } from "../../bench/run.js";
import { tasksOf } from "../../bench/suites/index.js";
import type { HostTensor, HostTensors } from "../../bench/task.js";
import { openDevice } from "../../engine/index.js";
import { tryOpen } from "../support/devices.js";

const settings = { threads: 1, peers: [], budgetSeconds: 0.2, device: "cpu" } as const;

describe("runBench", () => {
  afterEach(() => void vi.unstubAllEnvs());

  it("fills a document that its schema accepts, on the cpu and the reference device", async () => {
    for (const device of ["cpu", "reference"] as const) {
      const document = await runBench("matmul", { ...settings, device, shapes: "8x9x10,5x7x6:linear:gelu" });
      expect(benchDocumentSchema.parse(JSON.parse(JSON.stringify(document)))).toEqual(document);
      expect(document.environment.simd === null).toBe(device === "reference");
      expect(document.rows.map((r) => [r.op, r.pass, r.shape, r.device, r.flops])).toEqual([
        ["matmul", "forward", "8x9x10", device, 2 * 8 * 9 * 10],
        ["matmul", "forward", "5x7x6:linear:gelu", device, 2 * 5 * 7 * 6],
      ]);
      for (const row of document.rows) {
        expect(row.samples).toBeGreaterThanOrEqual(5);
        expect(row.p10Us).toBeLessThanOrEqual(row.medianUs);
        expect(row.medianUs).toBeLessThanOrEqual(row.p90Us);
      }
      // The operands and the result at least.
      expect(document.rows[0].peakBytes).toBeGreaterThanOrEqual(4 * (8 * 10 + 10 * 9 + 8 * 9));
    }
  });

  it("times backwards from a given gradient", async () => {
    const lora = await runBench("lora", { ...settings, shapes: "6x8x10x2:dropout=0.5" });
    const attention = await runBench("attention", { ...settings, shapes: "B1H2S5D4:packed,B1H4G2L1S5D4:causal" });
    const rows = [...lora.rows, ...attention.rows].map((r) => `${r.op} ${r.pass} ${r.shape}`);
    expect(rows).toEqual([
      "loraMatmul forward 6x8x10x2:dropout=0.5",
      "loraMatmul forward+backward 6x8x10x2:dropout=0.5",
      "attentionPacked forward B1H2S5D4:packed",
      "attentionPacked forward+backward B1H2S5D4:packed",
      "attention forward B1H4G2L1S5D4:causal",
    ]);
    expect(lora.rows[1].flops).toBeGreaterThan(lora.rows[0].flops as number);
  });

  it("computes in the storage type that is asked for, and refuses rows that have only f32", async () => {
    const { rows } = await runBench("matmul", { ...settings, dtype: "bf16", shapes: "8x9x10", peers: ["ort"] });
    expect(rows[0].dtype).toBe("bf16");
    // The operands, two bytes each: half of what f32 would take, rounded up by the pool.
    expect(rows[0].peakBytes).toBeLessThan(4 * (8 * 10 + 10 * 9 + 8 * 9));
    expect(rows[0].peers.ort).toMatchObject({ reason: "it computes in f32 here" });
    await expect(runBench("adamw", { ...settings, dtype: "f16", shapes: "2x4x4" })).rejects.toThrow(
      "bench adamw: its rows are in f32 alone, not in f16.",
    );
  });

  it("times our own counterpart of a mixture: as many multiply-adds without routing", async () => {
    const asked = { shapes: "12x8x12x3x2,12x8x12x3x2:bias", peers: ["dense"] };
    const { rows } = await runBench("moe", { ...settings, ...asked, routing: "one-hot" });
    const backward = await runBench("moe", { ...settings, ...asked, pass: "backward" });
    const found = [...rows, ...backward.rows].map(({ op, pass, shape, routing, peers: { dense } }) => [
      `${op} ${pass} ${shape} ${routing}`,
      "reason" in dense ? dense.reason : dense.note,
    ]);
    const note = "two products of as many rows, all with one expert's matrices: as many multiply-adds";
    const other = "dense is a counterpart of mixtureOfExperts";
    expect(found).toEqual([
      ["mixtureOfExperts forward 12x8x12x3x2 one-hot", note],
      ["mixtureOfExperts forward+backward 12x8x12x3x2 one-hot", note],
      ["mixtureOfExperts+bias forward 12x8x12x3x2:bias one-hot", other],
      ["mixtureOfExperts+bias forward+backward 12x8x12x3x2:bias one-hot", other],
      ["mixtureOfExperts backward 12x8x12x3x2 balanced", note],
      ["mixtureOfExperts+bias backward 12x8x12x3x2:bias balanced", other],
    ]);
    expect(backward.rows[0].savedBytes).toBeGreaterThan(0);
  });

  it.for(["cpu", "webgpu"] as const)(
    "times every kind of row with experts, and decoding, on %s",
    // Four documents, each with its ceilings twice: copies of gigabytes where the host's caches are large.
    { timeout: 180_000 },
    async (device, { skip }) => {
      const { device: there, reason } = await tryOpen(device);
      if (!there) return skip(reason);
      there.close();
      const asked = [
        ["moe", "9x8x12x3x2:gelu:bias:meta 9x8x12x3x1:meta", "both"],
        ["grouped-gemm", "9x8x12x3x2,9x12x8x3x2:grouped", undefined],
        ["routing", "9x8x2,9x8x2:deepseek", undefined],
        ["decode", "B2H4G2L1S9D8,2x8x12:linear,2x8x12x3x2", undefined],
      ] as const;
      for (const [suite, shapes, pass] of asked) {
        const document = await runBench(suite, {
          ...settings,
          device,
          shapes,
          pass,
          routing: "zipf",
          budgetSeconds: 0.1,
        });
        expect(benchDocumentSchema.parse(JSON.parse(JSON.stringify(document)))).toEqual(document);
        const own = tasksOf(suite, { shapes, pass, routing: "zipf" }).tasks;
        const facts = (rows: readonly { op: string; pass: string; shape: string; routing?: string | null }[]) =>
          rows.map(({ op, pass, shape, routing }) => ({ op, pass, shape, routing: routing ?? null }));
        expect(facts(document.rows)).toEqual(facts(own));
        for (const row of document.rows) expect(row.medianUs).toBeGreaterThan(0);
      }
    },
  );

  it("skips what does not fit the device, and measures the rest", async () => {
    const shapes = "9x8x12x3x2 4096x256x704x4x2";
    const document = await runBench("moe", { ...settings, shapes, pass: "forward", memoryBudget: 2 ** 23 });
    expect(document.rows.map(({ shape }) => shape)).toEqual(["9x8x12x3x2"]);
    expect(document.skipped.map(({ shape, reason }) => `${shape}: ${reason}`)).toEqual([
      expect.stringMatching(/^4096x256x704x4x2: it needs some [\d.]+ MB of memory; 8\.39 MB are there$/),
    ]);
    expect(benchDocumentSchema.parse(JSON.parse(JSON.stringify(document)))).toEqual(document);
  });

  it("leaves a blank with the reason where a peer is missing", async () => {
    vi.stubEnv("CONSILIUM_PYTHON", "no-such-python");
    const told: string[] = [];
    const onMissingPeer = (name: string, reason: string) => void told.push(`${name} ${reason}`);
    const onProgress = () => void told.push("measures");
    const asked = { ...settings, peers: ["torch"], shapes: "4x4x4", onMissingPeer, onProgress };
    const { rows, environment } = await runBench("matmul", asked);
    expect(told).toEqual([`torch ${environment.peers.torch}`, "measures", "measures"]);
    await expect(runBench("matmul", { ...asked, failMissing: true })).rejects.toThrow(
      /^bench: peers that do not start: torch: no-such-python: /,
    );
    expect(told).toHaveLength(3);
    expect(environment.peers.torch).toMatch(/^no-such-python: .*ENOENT.*CONSILIUM_PYTHON\.$/);
    expect(rows[0].peers).toEqual({ torch: { medianUs: null, ratio: null, reason: environment.peers.torch } });
  });

  it("goes on with the other rows where a peer's process hangs or crashes", async () => {
    // A stand-in for Python that dies of eight rows, and never answers to others.
    const folder = mkdtempSync(join(tmpdir(), "consilium-test-"));
    const python = join(folder, "python");
    const script = `#!${process.execPath}
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { request, inputs = [] } = JSON.parse(line);
  if (request === "hello") require("node:fs").writeSync(3, '{"version":"0.1"}\\n');
  else if (inputs[0].shape[0] === 8) process.kill(process.pid, "SIGABRT");
});`;
    writeFileSync(python, script, { mode: 0o755 });
    vi.stubEnv("CONSILIUM_PYTHON", python);
    const shapes = "8x9x10,5x7x6";
    const { rows } = await runBench("matmul", { ...settings, peers: ["torch"], peerLimitSeconds: 1, shapes });
    rmSync(folder, { recursive: true });
    const reason = (text: string) => ({ medianUs: null, ratio: null, reason: text });
    expect(rows.map(({ shape, samples, peers: { torch } }) => [shape, samples >= 5, torch])).toEqual([
      ["8x9x10", true, reason("ended by SIGABRT")],
      ["5x7x6", true, reason("killed after 3 s in prepare of matmul forward 5x7x6")],
    ]);
  });

  it("has the rows so far when it is stopped", async () => {
    const controller = new AbortController();
    const onProgress = ({ row }: { row: number }) => void (row === 1 && controller.abort());
    const stopped = { ...settings, shapes: "8x9x10,5x7x6,4x4x4", onProgress, signal: controller.signal };
    const document = await runBench("matmul", stopped);
    expect(document.rows.map(({ shape }) => shape)).toEqual(["8x9x10"]);
    expect(document.interrupted).toBe(true);
    expect(benchDocumentSchema.parse(JSON.parse(JSON.stringify(document)))).toEqual(document);
  });

  it("refuses unknown peers before it measures", async () => {
    await expect(runBench("matmul", { ...settings, peers: ["tensorflow"] })).rejects.toThrow(
      /^bench: unknown peer "tensorflow"\. Did you mean "tfjs"\? Known: ort, .*; on cpu: ort, /,
    );
  });
});

describe("the layer that is timed", () => {
  const close = (a: ArrayLike<number>, b: readonly number[]) => {
    expect(a.length).toBe(b.length);
    for (let i = 0; i < b.length; i++) expect(Math.abs(a[i] - b[i])).toBeLessThan(2e-5 * Math.max(1, Math.abs(b[i])));
  };
  const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
  const gelu = (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));

  it.each(["9x8x12x3x2", "9x8x12x3x1:meta", "9x8x12x3x2:bias", "9x8x12x3x2:gelu:bias:meta"])(
    "is a mixture in plain loops: %s",
    async (shapes) => {
      const device = await openDevice("cpu", { threads: 1 });
      try {
        const [task] = tasksOf("moe", { shapes, routing: "zipf" }).tasks;
        const made = await task.prepare(device);
        const inputs = await made.inputs();
        const { y } = await made.results();
        close(y, plain(inputs, task.options.topK as number, shapes.includes(":gelu")));
        await made.contender.release();
      } finally {
        device.close();
      }
    },
  );

  /** y = x Wᵀ + b of row t by the matrix at `e` of a stack, or by the only one. */
  function product(x: readonly number[], w: HostTensor, bias: HostTensor | undefined, e = 0): number[] {
    const [N, K] = w.shape.slice(-2);
    return Array.from({ length: N }, (_, i) =>
      x.reduce((sum, v, j) => sum + v * w.values[(e * N + i) * K + j], bias?.values[e * N + i] ?? 0),
    );
  }

  function plain(inputs: HostTensors, k: number, isGelu: boolean): number[] {
    const { x, router, routerBias, up, upBias, down, downBias } = inputs;
    const { metaGate, metaUp, metaUpBias, metaDown, metaDownBias } = inputs;
    const [T, d] = x.shape;
    const out: number[] = [];
    for (let t = 0; t < T; t++) {
      const row = Array.from(x.values.subarray(t * d, (t + 1) * d));
      const logits = product(row, router, routerBias);
      const order = logits
        .map((_, e) => e)
        .sort((a, b) => logits[b] - logits[a])
        .slice(0, k);
      const weights = order.map((e) => Math.exp(logits[e] - logits[order[0]]));
      const total = weights.reduce((a, b) => a + b, 0);
      const y = new Array<number>(d).fill(0);
      for (const [i, e] of order.entries()) {
        const h = product(row, up, upBias, e);
        const half = h.length / 2;
        const hidden = isGelu ? h.map(gelu) : h.slice(0, half).map((g, j) => g * sigmoid(g) * h[half + j]);
        for (const [c, v] of product(hidden, down, downBias, e).entries()) y[c] += (weights[i] / total) * v;
      }
      if (metaUp) {
        const h = product(row, metaUp, metaUpBias);
        const hidden = metaGate ? product(row, metaGate, undefined).map((g, j) => g * sigmoid(g) * h[j]) : h.map(gelu);
        for (const [c, v] of product(hidden, metaDown, metaDownBias).entries()) y[c] += v;
      }
      out.push(...y);
    }
    return out;
  }
});
