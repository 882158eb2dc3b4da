import { type BenchRow, ROUTINGS } from "../document.js";
import { lettersOf } from "../suites/index.js";
import { conditionOf, groupBy, type NumberedRow } from "./rows.js";

/** Rows that differ in one thing alone, in its order. */
export interface Series {
  /** What differs: T, E, k, ..., threads, or routing. */
  readonly axis: string;
  /** What is the same, with a · where the value stands. */
  readonly same: string;
  readonly points: readonly { readonly value: number | string; readonly row: NumberedRow }[];
}

const NUMBER = /\d+(\.\d+)?/g;

/** All series of the rows: by each number of their shapes, by threads, by routing. */
export function seriesOf(rows: readonly NumberedRow[]): Series[] {
  return [...byNumber(rows), ...byThreads(rows), ...byRouting(rows)];
}

const work = ({ suite, op, pass }: BenchRow) => `${suite} ${op} ${pass}`;
const withRouting = ({ routing }: BenchRow) => (routing ? `, ${routing}` : "");

function byNumber(rows: readonly NumberedRow[]): Series[] {
  const most = Math.max(0, ...rows.map(({ shape }) => shape.match(NUMBER)?.length ?? 0));
  return Array.from({ length: most }, (_, i) => {
    const having = rows.filter(({ shape }) => (shape.match(NUMBER)?.length ?? 0) > i);
    const others = (row: NumberedRow) => `${work(row)} ${without(row.shape, i)} ${conditionOf(row)}${withRouting(row)}`;
    return [...groupBy(having, others).values()].flatMap((group) =>
      series(group, {
        axis: letterOf(group[0], i),
        same: `${group[0].op} ${group[0].pass} ${without(group[0].shape, i)}${withRouting(group[0])}; ${conditionOf(group[0])}`,
        value: ({ shape }) => Number(shape.match(NUMBER)?.[i]),
      }),
    );
  }).flat();
}

function byThreads(rows: readonly NumberedRow[]): Series[] {
  const others = (row: NumberedRow) => `${work(row)} ${row.shape} ${row.device} ${row.dtype}${withRouting(row)}`;
  return [...groupBy(rows, others).values()].flatMap((group) =>
    series(group, {
      axis: "threads",
      same: `${group[0].op} ${group[0].pass} ${group[0].shape}${withRouting(group[0])}; ${group[0].device}, ${group[0].dtype}`,
      value: ({ threads }) => threads,
    }),
  );
}

/** From even to all on the first experts. */
function byRouting(rows: readonly NumberedRow[]): Series[] {
  const routed = rows.filter(({ routing }) => routing);
  const others = (row: NumberedRow) => `${work(row)} ${row.shape} ${conditionOf(row)}`;
  return [...groupBy(routed, others).values()].flatMap((group) =>
    series(group, {
      axis: "routing",
      same: `${group[0].op} ${group[0].pass} ${group[0].shape}; ${conditionOf(group[0])}`,
      value: ({ routing }) => routing as string,
    }),
  );
}

/** None where fewer than two values differ; of rows that are measured twice, the first counts. */
function series(
  group: readonly NumberedRow[],
  { axis, same, value }: Omit<Series, "points"> & { value(row: NumberedRow): number | string },
): Series[] {
  const points = [...groupBy(group, (row) => String(value(row))).values()].map(([row]) => ({ value: value(row), row }));
  if (points.length < 2) return [];
  const place = (v: number | string) => (typeof v === "number" ? v : ROUTINGS.indexOf(v as (typeof ROUTINGS)[number]));
  return [{ axis, same, points: points.sort((a, b) => place(a.value) - place(b.value)) }];
}

function without(shape: string, i: number): string {
  let at = -1;
  return shape.replace(NUMBER, (digits) => (++at === i ? "·" : digits));
}

const letterOf = ({ suite, shape }: NumberedRow, i: number): string =>
  lettersOf(suite, shape)[i] ?? `number ${i + 1} of the shape`;
