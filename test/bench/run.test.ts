import { afterEach, describe, expect, it, vi } from "vitest";
import { BenchDocument } from "../../bench/document.js";
import { runBench } from "../../bench/run.js";

const settings = { threads: 1, peers: [], budgetSeconds: 0.2, device: "cpu" } as const;

describe("runBench", () => {
  afterEach(() => void vi.unstubAllEnvs());

  it("fills a document that its schema accepts, on the cpu and the reference device", async () => {
    for (const device of ["cpu", "reference"] as const) {
      const document = await runBench("matmul", { ...settings, device, shapes: "8x9x10,5x7x6:linear:gelu" });
      expect(BenchDocument.parse(JSON.parse(JSON.stringify(document)))).toEqual(document);
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

  it("times our own counterparts of a mixture: as many multiply-adds without routing, and a balanced load", async () => {
    const shapes = "12x8x12x3x2,12x8x12x3x2:skew,12x8x12x3x2:routing";
    const { rows } = await runBench("moe", { ...settings, peers: ["dense", "balanced"], shapes });
    const found = rows.map(({ pass, shape, peers: { dense, balanced } }) => [
      `${pass} ${shape}`,
      ...[dense, balanced].map((peer) => ("reason" in peer ? peer.reason : peer.note)),
    ]);
    const dense = "two products of as many rows, all with one expert's matrices: as many multiply-adds";
    const balanced = "the same layer without a bias that sends all tokens to the same experts";
    expect(found).toEqual([
      ["forward 12x8x12x3x2", dense, "the layer is balanced itself"],
      ["forward+backward 12x8x12x3x2", dense, "the layer is balanced itself"],
      ["forward 12x8x12x3x2:skew", dense, balanced],
      ["forward+backward 12x8x12x3x2:skew", dense, balanced],
      [
        "forward 12x8x12x3x2:routing",
        "dense is a counterpart of mixtureOfExperts",
        "balanced is a counterpart of mixtureOfExperts",
      ],
    ]);
  });

  it("leaves a blank with the reason where a peer is missing", async () => {
    vi.stubEnv("CONSILIUM_PYTHON", "no-such-python");
    const { rows, environment } = await runBench("matmul", { ...settings, peers: ["torch"], shapes: "4x4x4" });
    expect(environment.peers.torch).toMatch(/^no-such-python: .*ENOENT.*CONSILIUM_PYTHON\.$/);
    expect(rows[0].peers).toEqual({ torch: { medianUs: null, ratio: null, reason: environment.peers.torch } });
  });

  it("has the rows so far when it is stopped", async () => {
    const controller = new AbortController();
    const onProgress = (text: string) => void (text.startsWith("2/") && controller.abort());
    const stopped = { ...settings, shapes: "8x9x10,5x7x6,4x4x4", onProgress, signal: controller.signal };
    const { rows } = await runBench("matmul", stopped);
    expect(rows.map(({ shape }) => shape)).toEqual(["8x9x10"]);
  });

  it("refuses unknown peers before it measures", async () => {
    await expect(runBench("matmul", { ...settings, peers: ["tensorflow"] })).rejects.toThrow(
      'bench: unknown peer "tensorflow". Known: ort, ort-const, ort-lists, tfjs, tfjs-lists, jax, jax-lists, torch, torch-loop, frozen, dense, balanced.',
    );
  });
});
