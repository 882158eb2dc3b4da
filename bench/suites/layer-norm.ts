import type { Op } from "../../engine/dispatch/define-op.js";
import { layerNormOp } from "../../engine/ops/layer-norm.js";
import type { OpCase } from "../../kernels/case-table.js";
import { table } from "../../kernels/layer-norm/cases.js";
import { shapeOf } from "../inputs.js";
import type { Task } from "../task.js";
import { benched, type OpRows, opTask } from "./op-task.js";
import { parseShapes, type ShapeForm } from "./shapes.js";

/** T rows of C. */
const form: ShapeForm<OpCase> = {
  suite: "layer-norm",
  form: "TxC (1576x384)",
  pattern: /^(?<T>\d+)x(?<C>\d+)$/,
  make({ T, C }) {
    const c = Number(C);
    return {
      name: `${T} rows of ${C}`,
      inputs: { x: [Number(T), c], weight: [c], bias: [c] },
      options: { eps: 1e-5 },
    };
  },
};

const shapeText = (c: OpCase) => shapeOf(c, "x").join("x");

const rows: OpRows = {
  suite: "layer-norm",
  table,
  op: layerNormOp as unknown as Op,
  shapeText,
  output: (c) => shapeOf(c, "x"),
  trained: ["x", "weight", "bias"],
};

export function layerNormTasks(shapes = benched(table).map(shapeText).join(",")): Task[] {
  return parseShapes(shapes, form).flatMap((c) => [opTask(rows, c, "forward"), opTask(rows, c, "forward+backward")]);
}
