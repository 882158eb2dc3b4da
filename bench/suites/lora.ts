import type { Op } from "../../engine/dispatch/define-op.js";
import { loraMatmulOp } from "../../engine/ops/lora-matmul.js";
import type { OpCase } from "../../kernels/case-table.js";
import { shapeOf } from "../../kernels/cost.js";
import { sets, table } from "../../kernels/lora-matmul/cases.js";
import type { ShapeForm } from "../shapes/parse.js";
import { benched, type OpRows, opTask } from "./op-task.js";
import { GRADIENTS, type Suite, TRAINED, typed } from "./suite.js";

/** T tokens through an adapted layer [N, K] of rank R, with a bias, scale 2. */
const form: ShapeForm<OpCase> = {
  form: "TxKxNxR, with :dropout=0.1 behind it (512x2048x2048x8)",
  pattern: /^(?<T>\d+)x(?<K>\d+)x(?<N>\d+)x(?<R>\d+)(:dropout=(?<dropout>0\.\d*[1-9]\d*))?$/,
  make({ T, K, N, R, dropout }) {
    const [t, k, n, r] = [Number(T), Number(K), Number(N), Number(R)];
    return {
      name: `${T} × ${K} × ${N}, rank ${R}${dropout ? ", dropout" : ""}`,
      inputs: {
        x: [t, k],
        weight: { shape: [n, k], scale: 1 / Math.sqrt(k) },
        a: { shape: [r, k], scale: 1 / Math.sqrt(k) },
        b: { shape: [n, r], scale: 1 / Math.sqrt(r) },
        bias: [n],
      },
      options: { scale: 2, ...(dropout && { dropout: Number(dropout) }) },
    };
  },
};

function shapeText(c: OpCase): string {
  const [T, K] = shapeOf(c.inputs.x);
  const [N, R] = shapeOf(c.inputs.b);
  return `${T}x${K}x${N}x${R}${c.options?.dropout ? `:dropout=${c.options.dropout}` : ""}`;
}

const rows: OpRows = {
  suite: "lora",
  table,
  op: loraMatmulOp as unknown as Op,
  shapeText,
  output: (c) => [shapeOf(c.inputs.x)[0], shapeOf(c.inputs.b)[0]],
  // The base layer is frozen.
  trained: ["x", "a", "b"],
  // x aᵀ, and its gradient.
  kept: (c) => 2 * shapeOf(c.inputs.x)[0] * shapeOf(c.inputs.b)[1],
};

export const lora: Suite<OpCase> = {
  suite: "lora",
  forms: [form],
  sets,
  own: () => typed(benched(table)),
  passes: { own: () => TRAINED, possible: GRADIENTS },
  routed: false,
  task: (c, request) => opTask(rows, c, request),
};
