import type { Task } from "../task.js";
import { differenceOf } from "./agreement.js";

type Results = Readonly<Record<string, Float32Array>>;

/**
 * Throws where `after` timing the results are not what they were `before`, but for `tolerance` (of the largest): work that
 * goes wrong while it is fast is no fast work.
 */
export function checkUnchanged(task: Task, before: Results, after: Results, tolerance: number): void {
  const change = changeOf(task, after, tolerance, { these: "those before", before });
  const row = `bench ${task.suite}: ${task.op} ${task.pass} ${task.shape}`;
  if (change !== null) throw new Error(`${row}: ${change} Its times are worth nothing.`);
}

/**
 * How results `after` timing are others than `these`, which were `before` it; null where they are the same. A training step has
 * other results each time; they must be numbers still.
 */
export function changeOf(
  { pass }: Pick<Task, "pass">,
  after: Results,
  tolerance: number,
  { these, before }: { these: string; before: Results },
): string | null {
  if (pass === "step") {
    const lost = Object.entries(after).find(([, values]) => !values.every(Number.isFinite));
    return lost ? `after it was timed, its result ${lost[0]} is not finite.` : null;
  }
  const difference = differenceOf(after, before);
  if (difference <= tolerance) return null;
  const size = Number.isFinite(difference)
    ? `by ${difference.toExponential(1)} of the largest`
    : "in size, or by a NaN";
  return `after it was timed, its results differ from ${these} ${size}.`;
}
