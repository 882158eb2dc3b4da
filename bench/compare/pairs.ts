import type { BenchDocument, BenchRow } from "../document.js";

export interface Pairs {
  readonly both: readonly (readonly [old: BenchRow, now: BenchRow])[];
  readonly onlyOld: readonly BenchRow[];
  readonly onlyNew: readonly BenchRow[];
}

/** What must be equal for two rows to be the same work. */
const identity = (row: BenchRow) =>
  JSON.stringify([row.suite, row.op, row.pass, row.shape, row.routing ?? null, row.dtype, row.device, row.threads]);

/** Rows of the same work, in the new document's order; of several alike in one document the first with the first. */
export function pairsOf(old: BenchDocument, now: BenchDocument): Pairs {
  const waiting = new Map<string, BenchRow[]>();
  for (const row of old.rows) {
    const same = waiting.get(identity(row));
    if (same) same.push(row);
    else waiting.set(identity(row), [row]);
  }
  const both: [BenchRow, BenchRow][] = [];
  const onlyNew: BenchRow[] = [];
  for (const row of now.rows) {
    const before = waiting.get(identity(row))?.shift();
    if (before) both.push([before, row]);
    else onlyNew.push(row);
  }
  const left = new Set([...waiting.values()].flat());
  return { both, onlyOld: old.rows.filter((row) => left.has(row)), onlyNew };
}
