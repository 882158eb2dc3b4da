import { describe, expect, test } from "vitest";
import { BindingTooLarge } from "../../bindings/errors.js";
import type { WebGpuMemory } from "../../bindings/webgpu/buffer.js";
import { partsOf } from "../../bindings/webgpu/parts.js";
import type { AnyPass, FloatDType } from "../../kernels/contract.js";
import { partial } from "../../kernels/grad-norm/kernels.js";
import { forward as layerNorm } from "../../kernels/layer-norm/kernels.js";
import { forward as matmul } from "../../kernels/matmul/kernels.js";
import { forward as topK } from "../../kernels/top-k/kernels.js";

const memory = (size: number): WebGpuMemory =>
  ({ buffer: {}, bytes: size, offset: 0, size, key: ",m", batch: 0, recordings: 0 }) as WebGpuMemory;

/** Parts of the first launch, with what each cut buffer is to them: [offset, size] in bytes. */
function cut(pass: AnyPass, dtype: FloatDType, sizes: (number | null)[], params: Record<string, number>, most: number) {
  const launch = pass.webgpu?.launches[0];
  if (!launch) throw new Error("no launch");
  const buffers = sizes.map((size) => (size === null ? null : memory(size)));
  return partsOf(pass, launch, dtype, { params, buffers }, most).map((part) => ({
    params: part.params,
    first: part.first,
    bound: part.buffers.map((b) => b && [b.offset, b.size]),
  }));
}

describe("a launch whose buffers are over the limit of a binding", () => {
  test("is left as it is where none is", () => {
    const params = { T: 4, C: 64, eps: 1e-5 };
    expect(cut(layerNorm, "f32", [1024, 256, 256, 1024, 16, 16], params, 1024)).toEqual([
      {
        params,
        first: undefined,
        bound: [
          [0, 1024],
          [0, 256],
          [0, 256],
          [0, 1024],
          [0, 16],
          [0, 16],
        ],
      },
    ]);
  });

  test("is cut by rows, at aligned places, statistics with it, weights whole", () => {
    // A row is 12 bytes, a statistic 4: both begin at a multiple of 256 bytes every 64 rows.
    const parts = cut(layerNorm, "f32", [3600, 16, 16, 3600, 1200, 1200], { T: 300, C: 3, eps: 1e-5 }, 1600);
    expect(parts.map(({ params }) => params.T)).toEqual([128, 128, 44]);
    expect(parts.map(({ bound }) => bound)).toEqual([
      [
        [0, 1536],
        [0, 16],
        [0, 16],
        [0, 1536],
        [0, 512],
        [0, 512],
      ],
      [
        [1536, 1536],
        [0, 16],
        [0, 16],
        [1536, 1536],
        [512, 512],
        [512, 512],
      ],
      [
        [3072, 528],
        [0, 16],
        [0, 16],
        [3072, 528],
        [1024, 176],
        [1024, 176],
      ],
    ]);
  });

  test("is cut where blocks of a sum begin, and told which block is its first", () => {
    const parts = cut(partial, "f32", [320_000, 64], { n: 80_000, offset: 5, count: 10 }, 140_000);
    const block = 16_384;
    expect(parts.map(({ params }) => [params.n, params.offset])).toEqual([
      [2 * block, 5],
      [2 * block, 7],
      [80_000 - 4 * block, 9],
    ]);
  });

  const product = { B: 1, M: 64, N: 64, K: 64, transposeA: 0, transposeB: 0, batchedA: 0, batchedB: 0 };
  const epilogue = { activation: 0, accumulate: 0, hasBias: 0, hasPreactivation: 0 };

  test("a product is cut by rows, by batches, or by what it sums over", () => {
    const rows = cut(matmul, "f32", [65_536, 16_384, null, 65_536, null], { ...product, ...epilogue, M: 256 }, 40_000);
    expect(rows.map(({ params, bound }) => [params.M, bound[0], bound[1]])).toEqual([
      [156, [0, 39_936], [0, 16_384]],
      [100, [39_936, 25_600], [0, 16_384]],
    ]);
    const batches = { ...product, ...epilogue, B: 5, batchedA: 1 };
    const batched = cut(matmul, "f32", [81_920, 16_384, null, 81_920, null], batches, 40_000);
    expect(batched.map(({ params }) => params.B)).toEqual([2, 2, 1]);
    const summed = { ...product, ...epilogue, K: 512, transposeA: 1, hasBias: 1 };
    // In whole fours of k: kernels read operands as vectors.
    const sums = cut(matmul, "f32", [131_072, 131_072, 256, 16_384, null], summed, 70_000);
    expect(sums.map(({ params }) => [params.K, params.accumulate, params.hasBias])).toEqual([
      [272, 0, 1],
      [240, 1, 0],
    ]);
    // In f16 y would round once for each part.
    expect(() => cut(matmul, "f16", [65_536, 65_536, 128, 8192, null], summed, 35_000)).toThrow(BindingTooLarge);
  });

  test("a product is cut by columns where those are rows of the weight, and by rows and columns where both are too large", () => {
    const wide = { ...product, ...epilogue, N: 512, transposeB: 1 };
    const columns = cut(matmul, "f32", [16_384, 131_072, 2048, 131_072, null], wide, 131_071);
    expect(columns.map(({ params, first }) => [params.M, params.N, first?.M, first?.N])).toEqual([
      [60, 448, 0, 0],
      [60, 64, 0, 448],
      [4, 448, 60, 0],
      [4, 64, 60, 448],
    ]);
  });

  test("is refused where it cannot be cut, or a buffer that every part needs is too large", () => {
    expect(() => cut(topK, "f32", [4096, 16, 16], { T: 1, V: 1024, K: 4 }, 1024)).toThrow(
      "top-k/forward: x would take a binding of 4096 bytes; this adapter's hold 1024, and this launch cannot be cut into " +
        "smaller ones. Give it fewer rows at a time, or use the cpu device.",
    );
    const wide = { T: 2, C: 1024, eps: 1e-5 };
    expect(() => cut(layerNorm, "f32", [8192, 4096, 4096, 8192, 16, 16], wide, 4000)).toThrow(
      "layer-norm/forward: weight would take a binding of 4096 bytes; this adapter's hold 4000, and every part of this " +
        "launch needs all of it. Split weight itself, or use the cpu device.",
    );
    const activated = { ...product, ...epilogue, transposeA: 1, activation: 1 };
    expect(() => cut(matmul, "f32", [16_384, 16_384, null, 16_384, null], activated, 10_000)).toThrow(BindingTooLarge);
  });
});
