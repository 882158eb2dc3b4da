import type { Op } from "../../engine/dispatch/define-op.js";
import type { CaseTable, Cost, InputSpec, OpCase } from "../../kernels/case-table.js";
import { ALL_FLOATS, type FloatDType } from "../../kernels/contract.js";
import { BYTES, shapeOf, sizeOf } from "../../kernels/cost.js";
import { prepareOp } from "../contenders/engine.js";
import { hostInputs, normals } from "../inputs.js";
import type { HostTensor, HostTensors, Needs, Task } from "../task.js";
import { type Request, trains } from "./suite.js";

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
  /** Elements that the forward keeps for the backward besides inputs and result, where they count. */
  kept?(c: OpCase): number;
  /** Inputs that are made otherwise than the case says. */
  given?(c: OpCase): HostTensors;
  /** Inputs that are f32 whatever the storage type; the rows are in f32 alone where it says all. */
  readonly f32?: readonly string[] | "all";
}

/** Useful work of a pass, by the table; null where nobody counted. */
export function costOf(
  { cost }: CaseTable,
  c: OpCase,
  { pass, dtype }: Pick<Request, "pass" | "dtype">,
): { flops: number | null; bytes: number | null } {
  const counted: (Cost | undefined)[] = [];
  if (pass !== "backward") counted.push(cost?.(c, "forward", dtype));
  if (trains(pass)) counted.push(cost?.(c, "backward", dtype));
  const sum = (key: keyof Cost) =>
    counted.reduce<number | null>((n, one) => (n !== null && one ? n + one[key] : null), 0);
  return { flops: sum("flops"), bytes: sum("bytes") };
}

type Sized = readonly [shape: readonly number[], dtype: FloatDType | "i32"];

/** What a task takes: its inputs, which the host has in f32 too, and what else the device holds. */
export function needsOf(inputs: readonly Sized[], others: readonly Sized[]): Needs {
  const tensors = [...inputs, ...others];
  return {
    bytes: tensors.reduce((sum, [shape, dtype]) => sum + sizeOf(shape) * BYTES[dtype], 0),
    hostBytes: inputs.reduce((sum, [shape]) => sum + 4 * sizeOf(shape), 0),
    tensorBytes: Math.max(0, ...tensors.map(([shape, dtype]) => sizeOf(shape) * BYTES[dtype])),
    elements: Math.max(0, ...tensors.map(([shape]) => sizeOf(shape))),
  };
}

const isInteger = (spec: InputSpec) => "dtype" in spec && spec.dtype === "i32";

function needs(rows: OpRows, c: OpCase, { pass, dtype }: Pick<Request, "pass" | "dtype">): Task["needs"] {
  const { trained, f32 = [] } = rows;
  const own = (name: string) => (f32 === "all" || f32.includes(name) ? "f32" : dtype);
  const inputs = Object.entries(c.inputs).map(
    ([name, spec]) => [shapeOf(c.inputs[name]), isInteger(spec) ? "i32" : own(name)] as const,
  );
  const y = [rows.output(c), own("y")] as const;
  const gradients = trained.map((name) => [shapeOf(c.inputs[name]), own(name)] as const);
  const kept = [[rows.kept?.(c) ?? 0], "f32"] as const;
  return trains(pass) ? needsOf([...inputs, y], [y, kept, ...gradients]) : needsOf(inputs, [y]);
}

/** A case as a row: the forward without a tape, or with one and the backward from a given dy. */
export function opTask(rows: OpRows, c: OpCase, { pass, dtype }: Pick<Request, "pass" | "dtype">): Task {
  const { suite, table, op } = rows;
  const options = c.options ?? {};
  const trained = trains(pass) ? rows.trained : [];
  const f32 = rows.f32 ?? [];
  return {
    suite,
    op: op.opName,
    pass,
    name: c.name,
    shape: rows.shapeText(c),
    options,
    trained,
    ...costOf(table, c, { pass, dtype }),
    needs: needs(rows, c, { pass, dtype }),
    tolerance: table.tolerance.f32,
    ...(f32 !== "all" && { dtypes: ALL_FLOATS }),
    prepare: async (device, dtype) => {
      const inputs = { ...hostInputs(c), ...rows.given?.(c) };
      const stream = Object.keys(c.inputs).length;
      if (trains(pass)) inputs.dy = rows.dy?.(c, stream) ?? normals(rows.output(c), stream);
      return prepareOp(
        device,
        { op, options, trained, pass, f32: f32 === "all" ? Object.keys(inputs) : f32 },
        inputs,
        dtype,
      );
    },
  };
}

export const benched = (table: CaseTable): OpCase[] => table.cases.filter((c) => c.bench);
