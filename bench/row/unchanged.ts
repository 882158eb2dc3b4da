import type { Task } from "../task.js";
import { differenceOf } from "./agreement.js";

type Results = Readonly<Record<string, Float32Array>>;

/**
 * Throws where `after` timing the results are not what they were `before`, but for `tolerance` (of the largest): work that
 * goes wrong while it is fast is no fast work. A training step has other results each time; they must be numbers still.
 */
export function checkUnchanged(task: Task, before: Results, after: Results, tolerance: number): void {
  const row = `bench ${task.suite}: ${task.op} ${task.pass} ${task.shape}`;
  if (task.pass === "step") {
    const lost = Object.entries(after).find(([, values]) => !values.every(Number.isFinite));
    if (lost) throw new Error(`${row}: after it was timed, its result ${lost[0]} is not finite.`);
    return;
  }
  const difference = differenceOf(after, before);
  if (difference <= tolerance) return;
  const size = Number.isFinite(difference)
    ? `by ${difference.toExponential(1)} of the largest`
    : "in size, or by a NaN";
  throw new Error(
    `${row}: after it was timed, its results differ from those before ${size}. Its times are worth nothing.`,
  );
}
