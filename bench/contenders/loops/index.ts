import { type HostTensors, Unsupported } from "../../task.js";
import { attention, attentionPacked } from "./attention.js";
import { groupedGemm, mixtureOfExperts, topKRouting } from "./experts.js";
import { loraMatmul, matmul } from "./linear.js";
import type { Arrays, Loop, LoopTask } from "./loop.js";

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
