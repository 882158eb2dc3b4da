import type { Op } from "../../engine/dispatch/define-op.js";
import { matmulOp } from "../../engine/ops/matmul.js";
import type { OpCase } from "../../kernels/case-table.js";
import { shapeOf } from "../../kernels/cost.js";
import { sets, table } from "../../kernels/matmul/cases.js";
import type { ShapeForm } from "../shapes/parse.js";
import { benched, type OpRows, opTask } from "./op-task.js";
import { GRADIENTS, type Suite, typed } from "./suite.js";

/** `:linear` takes b as a layer's weight [N, K] and adds a bias; `:gelu` is its activation. */
export const form: ShapeForm<OpCase> = {
  form: "MxNxK, with :linear or :linear:gelu behind it for a layer (1024x1024x1024, 1576x1536x384:linear:gelu)",
  pattern: /^(?<M>\d+)x(?<N>\d+)x(?<K>\d+)(?<linear>:linear(?<gelu>:gelu)?)?$/,
  make({ M, N, K, linear, gelu }) {
    const [m, n, k] = [Number(M), Number(N), Number(K)];
    const weight = { shape: linear ? [n, k] : [k, n], scale: 1 / Math.sqrt(k) };
    return {
      name: `${M} × ${N} × ${K}`,
      inputs: { a: [m, k], b: weight, ...(linear && { bias: [n] }) },
      ...(linear && { options: { transposeB: true, ...(gelu && { activation: "gelu" }) } }),
    };
  },
};

function shapeText(c: OpCase): string {
  const [M, K] = shapeOf(c.inputs.a);
  const b = shapeOf(c.inputs.b);
  const { transposeB, activation } = (c.options ?? {}) as { transposeB?: boolean; activation?: string };
  return `${M}x${transposeB ? b[0] : b[1]}x${K}${transposeB ? ":linear" : ""}${activation ? `:${activation}` : ""}`;
}

export const rows: OpRows = {
  suite: "matmul",
  table,
  op: matmulOp as unknown as Op,
  shapeText,
  output: (c) => [shapeOf(c.inputs.a)[0], shapeOf(c.inputs.b)[c.options?.transposeB ? 0 : 1]],
  trained: ["a", "b"],
};

export const matmul: Suite<OpCase> = {
  suite: "matmul",
  forms: [form],
  sets,
  own: () => typed(benched(table)),
  passes: { own: () => ["forward"], possible: GRADIENTS },
  routed: false,
  task: (c, request) => opTask(rows, c, request),
};
