import { threads as cudaThreads, perElement as perCudaElement } from "../common/cuda/grid.js";
import { perElement, threads } from "../common/wgsl/grid.js";
import { ALL_FLOATS, optional, pass, read, rowGrain, update } from "../contract.js";
import advanceWgsl from "./advance.wgsl.js";
import * as reference from "./reference.js";
import stepWgsl from "./step.wgsl.js";

/**
 * Counts a step of the parameters in `slots`: the learning rate and bias corrections that `step` reads, each parameter's in
 * a row of its own, since the first gradient of one may come later. Nothing changes where the step is skipped.
 */
export const advance = pass({
  label: "adamw/advance",
  buffers: {
    /** Learning rate first. */
    rate: read("4", "f32"),
    /** Rows of `schedule`, each once. */
    slots: read("count", "u32"),
    clip: optional(read("2", "f32")),
    schedule: update("parameters 4", "f32"),
  },
  params: {
    count: "u32",
    parameters: "u32",
    beta1: "f32",
    rest1: "f32",
    beta2: "f32",
    rest2: "f32",
    hasClip: "u32",
  },
  reference: reference.advance,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "adamw_advance", cells: ({ count }) => count, grain: () => rowGrain(4) }],
  },
  webgpu: { dtypes: ["f32"], launches: [threads(advanceWgsl, ({ count }) => count)] },
  cuda: { dtypes: ["f32"], launches: [cudaThreads("adamw_advance", ({ count }) => count)] },
});

/** One AdamW step of one parameter, in place. Parameters and moments are f32; the gradient has the value type. */
export const step = pass({
  label: "adamw/step",
  buffers: {
    parameter: update("n", "f32"),
    gradient: read("n"),
    m: update("n", "f32"),
    v: update("n", "f32"),
    /** Row `slot`: learning rate, 1 - beta1^t, 1 - beta2^t of the parameter's t steps that were not skipped (advance). */
    schedule: read("parameters 4", "f32"),
    /** Gradient norm and the factor that clips it (grad-norm/join); a factor below 0 skips the step (loss-scale/unscale). */
    clip: optional(read("2", "f32")),
  },
  /** rest = 1 - beta, formed in f64: 1 - 0.999 in f32 is off by 5e-5 of itself. */
  params: {
    n: "u32",
    parameters: "u32",
    slot: "u32",
    beta1: "f32",
    rest1: "f32",
    beta2: "f32",
    rest2: "f32",
    eps: "f32",
    weightDecay: "f32",
    hasClip: "u32",
  },
  reference: reference.step,
  cpu: {
    dtypes: ["f32", "bf16", "f16"],
    launches: [{ symbol: "adamw_step", cells: ({ n }) => n, grain: () => rowGrain(2) }],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [perElement(stepWgsl)],
  },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("adamw_step", "f32")] },
});
