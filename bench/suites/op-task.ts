import type { Op } from "../../engine/dispatch/define-op.js";
import type { CaseTable, OpCase } from "../../kernels/case-table.js";
import { ALL_FLOATS } from "../../kernels/contract.js";
import { prepareOp } from "../contenders/engine.js";
import { hostInputs, normals } from "../inputs.js";
import type { HostTensor, Task } from "../task.js";

/** What the rows of one op have in common. */
export interface OpRows {
  readonly suite: Task["suite"];
  readonly table: CaseTable;
  readonly op: Op;
  /** The shape as `--shapes` takes it. */
  shapeText(c: OpCase): string;
  /** Shape of y, hence of dy. */
  output(c: OpCase): readonly number[];
  /** dy of a backward row: normal values where absent. */
  dy?(c: OpCase, stream: number): HostTensor;
  /** Inputs whose gradients a backward row computes. */
  readonly trained: readonly string[];
}

/** A case as a row: the forward without a tape, or the forward with tape and the backward from a given dy. */
export function opTask(rows: OpRows, c: OpCase, pass: "forward" | "forward+backward"): Task {
  const { suite, table, op } = rows;
  const options = c.options ?? {};
  const backward = pass === "forward+backward";
  const trained = backward ? rows.trained : [];
  const forwardCost = table.cost?.(c, "forward");
  const backwardCost = backward ? table.cost?.(c, "backward") : { flops: 0, bytes: 0 };
  const cost = (key: "flops" | "bytes") => (forwardCost && backwardCost ? forwardCost[key] + backwardCost[key] : null);
  return {
    suite,
    op: op.opName,
    pass,
    name: c.name,
    shape: rows.shapeText(c),
    options,
    trained,
    flops: cost("flops"),
    bytes: cost("bytes"),
    tolerance: table.tolerance.f32,
    dtypes: ALL_FLOATS,
    prepare: async (device, dtype) => {
      const inputs = hostInputs(c);
      const stream = Object.keys(c.inputs).length;
      if (backward) inputs.dy = rows.dy?.(c, stream) ?? normals(rows.output(c), stream);
      return prepareOp(device, { op, options, trained, pass }, inputs, dtype);
    },
  };
}

export const benched = (table: CaseTable): OpCase[] => table.cases.filter((c) => c.bench);
