import type { Op } from "../../engine/dispatch/define-op.js";
import { crossEntropyOp } from "../../engine/ops/cross-entropy.js";
import type { OpCase } from "../../kernels/case-table.js";
import { shapeOf } from "../../kernels/cost.js";
import { table } from "../../kernels/cross-entropy/cases.js";
import { normals } from "../inputs.js";
import { parseShapes, type ShapeForm } from "../shapes/parse.js";
import { benched, type OpRows, opTask } from "./op-task.js";
import { GRADIENTS, type Suite } from "./suite.js";

/** The mean loss of T tokens of a vocabulary of V; no target is ignored. */
const form: ShapeForm<OpCase> = {
  form: "TxV (320x30522)",
  pattern: /^(?<T>\d+)x(?<V>\d+)$/,
  make({ T, V }) {
    const [t, v] = [Number(T), Number(V)];
    return {
      name: `${T} tokens of ${V}`,
      inputs: { logits: { shape: [t, v] }, target: { shape: [t], dtype: "i32", low: 0, high: v } },
      options: { reduction: "mean", labelSmoothing: 0, ignoreIndex: -100 },
    };
  },
};

const shapeText = (c: OpCase) => shapeOf(c.inputs.logits).join("x");

const rows: OpRows = {
  suite: "cross-entropy",
  table,
  op: crossEntropyOp as unknown as Op,
  shapeText,
  output: () => [],
  // A mean over T shrinks gradients below what a comparison with the largest result would notice.
  dy: (c, stream) => normals([], stream, shapeOf(c.inputs.logits)[0]),
  trained: ["logits"],
  // The loss is, and so is its gradient.
  f32: ["y", "dy"],
};

export const crossEntropy: Suite<OpCase> = {
  suite: "cross-entropy",
  forms: [form],
  sets: {},
  // As typed: the table's options vary.
  own: () => parseShapes(benched(table).map(shapeText).join(), { suite: "cross-entropy", forms: [form], sets: {} }),
  passes: { own: () => ["forward+backward"], possible: GRADIENTS },
  routed: false,
  task: (c, request) => opTask(rows, c, request),
};
