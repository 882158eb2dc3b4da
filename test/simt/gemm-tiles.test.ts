import { expect, test } from "vitest";
import { hostInputs } from "../../engine/check/fill.js";
import { runOp } from "../../engine/check/run-op.js";
import { openDevice } from "../../engine/device/open-device.js";
import type { OpCase } from "../../kernels/case-table.js";
import { type GemmVariant, gemmVariant } from "../../kernels/common/cuda/gemm.js";
import type { CudaLimits, FloatDType } from "../../kernels/contract.js";
import { allOn, listsOf, type Sample, weightsOf } from "../../kernels/top-k-routing/sample.js";
import { expectClose } from "../support/compare.js";
import { ops, tables, toleranceOf } from "../support/ops.js";

/**
 * The tiles of products that small cases do not get on a GPU of many multiprocessors: on one of a single multiprocessor they
 * do. Edges in both directions, more stages than are kept, every layout.
 */
const matmul = (M: number, N: number, K: number, layout: "nn" | "nt" | "tn"): OpCase => ({
  name: `${M} × ${N} × ${K}, ${layout}`,
  inputs: {
    a: layout === "tn" ? [K, M] : [M, K],
    b: { shape: layout === "nt" ? [N, K] : [K, N], scale: 1 / Math.sqrt(K) },
    ...(layout === "nt" && { bias: [N] }),
  },
  options: {
    ...(layout === "tn" && { transposeA: true }),
    ...(layout === "nt" && { transposeB: true, activation: "gelu" }),
  },
});

const mlp = (sample: Sample, C: number, hidden: number): OpCase => ({
  name: `${sample.T} tokens, ${sample.E} experts`,
  inputs: {
    x: [sample.T, C],
    weights: weightsOf(sample),
    lists: listsOf(sample),
    up: { shape: [sample.E, 2 * hidden, C], scale: 1 / Math.sqrt(C) },
    down: { shape: [sample.E, C, hidden], scale: 1 / Math.sqrt(hidden) },
  },
  options: { activation: "swiglu", transposed: true },
});

const exact = await openDevice("reference", { exact: true });

async function compare(opName: string, c: OpCase, dtype: FloatDType, tf32 = false) {
  const device = await openDevice("cuda", { debug: true, tf32 });
  Object.assign((device.binding as unknown as { cuda: CudaLimits }).cuda, { multiprocessors: 1 });
  const op = ops.get(opName);
  const table = tables.find(({ table: { op: name } }) => name === opName)?.table;
  if (!op || !table) throw new Error(`no op and table of ${opName}`);
  const inputs = hostInputs(c, dtype);
  const expected = await runOp(exact, op, c, inputs, op.differentiable);
  const got = await runOp(device, op, c, inputs, op.differentiable);
  // Operands of tf32 have 10 bits of mantissa.
  const tolerance = tf32 ? 1e-3 : toleranceOf(table, c, dtype);
  for (const [i, y] of got.outputs.entries()) expectClose(`output ${i}`, y, expected.outputs[i], tolerance);
  for (const [name, gradient] of Object.entries(expected.gradients))
    if (gradient) expectClose(`d${name}`, got.gradients[name] as Float64Array, gradient, tolerance);
  device.close();
}

const limits = (tf32: boolean): CudaLimits => ({ capability: 80, multiprocessors: 1, maxSharedBytes: 101376, tf32 });

const chosen: readonly [GemmVariant, FloatDType, M: number, N: number, tf32?: boolean][] = [
  ["large", "bf16", 248, 120],
  ["large", "f16", 248, 120],
  ["medium", "bf16", 376, 248],
  ["medium", "f32", 248, 120],
  ["tf32", "f32", 248, 120, true],
];
for (const [variant, dtype, M, N, tf32 = false] of chosen)
  test.each(["nn", "nt", "tn"] as const)(`${dtype}, ${variant} tile: %s`, async (layout) => {
    const K = dtype === "f32" ? 72 : 168;
    expect(gemmVariant({ B: 1, M, N, K, lines: [K, M, N] }, limits(tf32), dtype)).toBe(variant);
    await compare("matmul", matmul(M, N, K, layout), dtype, tf32);
  });

const experts: readonly [GemmVariant, Sample][] = [
  ["large", allOn(0, 1, 250, 1)],
  ["medium", allOn(1, 2, 250, 1)],
];
for (const [variant, sample] of experts)
  test(`bf16, ${variant} tile of gated experts`, async () => {
    const M = Math.ceil(sample.T / sample.E);
    expect(gemmVariant({ B: sample.E, M, N: 128, K: 72, lines: [72, 64] }, limits(false), "bf16")).toBe(variant);
    await compare("expertMlp", mlp(sample, 72, 64), "bf16");
  });

test("bf16, deep tile of the weight gradients of experts", async () => {
  const device = await openDevice("cuda");
  const { maxSharedBytes } = (device.binding as unknown as { cuda: CudaLimits }).cuda;
  device.close();
  const shape = { B: 1, M: 248, N: 120, K: 168, lines: [248, 120], deep: true };
  expect(gemmVariant(shape, { ...limits(false), maxSharedBytes }, "bf16")).toBe("large");
  await compare("expertMlp", mlp(allOn(0, 1, 168, 1), 120, 124), "bf16");
});
