import type { Op } from "../../engine/dispatch/define-op.js";
import { layerNormOp } from "../../engine/ops/layer-norm.js";
import type { OpCase } from "../../kernels/case-table.js";
import { shapeOf } from "../../kernels/cost.js";
import { table } from "../../kernels/layer-norm/cases.js";
import { parseShapes, type ShapeForm } from "../shapes/parse.js";
import { benched, type OpRows, opTask } from "./op-task.js";
import { GRADIENTS, type Suite, TRAINED } from "./suite.js";

/** T rows of C. */
const form: ShapeForm<OpCase> = {
  form: "TxC (1576x384)",
  pattern: /^(?<T>\d+)x(?<C>\d+)$/,
  make({ T, C }) {
    const c = Number(C);
    return {
      name: `${T} rows of ${C}`,
      inputs: { x: { shape: [Number(T), c] }, weight: [c], bias: [c] },
      options: { eps: 1e-5 },
    };
  },
};

const shapeText = (c: OpCase) => shapeOf(c.inputs.x).join("x");

const rows: OpRows = {
  suite: "layer-norm",
  table,
  op: layerNormOp as unknown as Op,
  shapeText,
  output: (c) => shapeOf(c.inputs.x),
  trained: ["x", "weight", "bias"],
};

export const layerNorm: Suite<OpCase> = {
  suite: "layer-norm",
  forms: [form],
  sets: {},
  // As typed: the table's options vary.
  own: () => parseShapes(benched(table).map(shapeText).join(), { suite: "layer-norm", forms: [form], sets: {} }),
  passes: { own: () => TRAINED, possible: GRADIENTS },
  routed: false,
  task: (c, request) => opTask(rows, c, request),
};
