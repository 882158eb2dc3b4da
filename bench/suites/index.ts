import { OptionError } from "../../engine/index.js";
import type { Task } from "../task.js";
import { adamwTasks } from "./adamw.js";
import { attentionTasks } from "./attention.js";
import { crossEntropyTasks } from "./cross-entropy.js";
import { launchTasks } from "./launch.js";
import { layerNormTasks } from "./layer-norm.js";
import { loraTasks } from "./lora.js";
import { matmulTasks } from "./matmul.js";
import { moeTasks } from "./moe.js";
import type { Suite } from "./names.js";
import { replayTasks } from "./replay.js";
import { stepTasks } from "./step.js";

/** Default shapes of each: the cases marked `bench` in its table. */
const suites = {
  moe: moeTasks,
  "grouped-gemm": () => [],
  routing: () => [],
  attention: attentionTasks,
  decode: () => [],
  lora: loraTasks,
  matmul: matmulTasks,
  "layer-norm": layerNormTasks,
  "cross-entropy": crossEntropyTasks,
  adamw: adamwTasks,
  step: stepTasks,
  launch: launchTasks,
  replay: replayTasks,
} satisfies Record<Task["suite"], (shapes?: string) => Task[]>;

export function tasksOf(suite: Suite, shapes?: string): Task[] {
  if (suite !== "all") return suites[suite](shapes);
  if (shapes !== undefined) throw new OptionError("bench all: --shapes belong to one suite. Name it.");
  return Object.values(suites).flatMap((tasks) => tasks());
}
