import { type HostTensors, type Task, Unsupported } from "../../task.js";
import { attention, attentionPacked } from "./attention.js";
import { groupedGemm, mixtureOfExperts, topKRouting } from "./experts.js";
import { loraMatmul, matmul } from "./linear.js";

export type LoopTask = Pick<Task, "op" | "pass" | "options" | "trained">;
/** Of floats all but lists, whose loops know that they are not. */
type Arrays = Readonly<Record<string, { readonly shape: readonly number[]; readonly values: Float32Array }>>;

/** What computes a task with these inputs, again in every call; or why nothing here does. */
export type Loop = (task: LoopTask, inputs: Arrays) => (() => Readonly<Record<string, Float32Array>>) | string;

const LOOPS: Readonly<Record<string, Loop>> = {
  matmul,
  loraMatmul,
  attention,
  attentionPacked,
  mixtureOfExperts,
  groupedGemm,
  topKRouting,
};

/**
 * Tasks in plain loops, on one thread: what TypeScript does without a library. Throws Unsupported where nobody has written them.
 */
export function loopForms(
  task: LoopTask,
  inputs: HostTensors,
): { name?: string; call: Exclude<ReturnType<Loop>, string> }[] {
  if (!Object.hasOwn(LOOPS, task.op)) throw new Unsupported(`there are no plain loops of ${task.op}`);
  if (task.pass === "backward") throw new Unsupported("plain loops run a backward together with its forward only");
  const call = LOOPS[task.op](task, inputs as Arrays);
  if (typeof call === "string") throw new Unsupported(call);
  return [{ call }];
}
