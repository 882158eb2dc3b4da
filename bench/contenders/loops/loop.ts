import type { Task } from "../../task.js";

export type LoopTask = Pick<Task, "op" | "pass" | "options" | "trained">;
/** Of floats all but lists, whose loops know that they are not. */
export type Arrays = Readonly<Record<string, { readonly shape: readonly number[]; readonly values: Float32Array }>>;

/** What computes a task with these inputs, again in every call; or why nothing here does. */
export type Loop = (task: LoopTask, inputs: Arrays) => (() => Readonly<Record<string, Float32Array>>) | string;
