/** Checks ops by their case tables in the page, as `checkOp` does it anywhere: webgpu against the reference, both here. */
import { checkOp } from "../../../engine/check/check-op.js";
import { openDevice } from "../../../engine/device/open-device.js";
import type { OpCase } from "../../../kernels/case-table.js";
import { elements, ops, tables } from "../../support/ops.js";

/** Larger cases take a software adapter, and the plain loops of the reference, too long. */
const MOST_ELEMENTS = 20_000;

export interface OpReport {
  readonly op: string;
  readonly passed: readonly string[];
  /** What checkOp says, or null. */
  readonly fault: string | null;
  readonly seconds: number;
}

/** The names of the tables, and a function that checks the cases of one. */
async function prepare() {
  const device = await openDevice("webgpu", { debug: true });
  // Casts say their type in an option; all other cases in half types are left out by checkOp.
  const fits = (c: OpCase) => device.binding.limits?.f16 || c.options?.dtype !== "f16";
  const check = async (index: number): Promise<OpReport> => {
    const { table } = tables[index];
    const started = performance.now();
    const small = { ...table, cases: table.cases.filter((c) => elements(c) <= MOST_ELEMENTS && fits(c)) };
    const seconds = () => (performance.now() - started) / 1000;
    try {
      const op = ops.get(table.op);
      if (!op) throw new Error(`no op is named ${table.op}`);
      const passed = await checkOp(op, small, [device]);
      return { op: table.op, passed, fault: null, seconds: seconds() };
    } catch (error) {
      return { op: table.op, passed: [], fault: (error as Error).message, seconds: seconds() };
    }
  };
  Object.assign(globalThis, { check });
  return { ops: tables.map(({ table }) => table.op), adapter: device.description };
}

Object.assign(globalThis, { result: prepare() });
