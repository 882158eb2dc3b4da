import { perElement as perCudaElement } from "../common/cuda/grid.js";
import { foldGrid, over } from "../common/wgsl/grid.js";
import { ALL_FLOATS, ceilDiv, optional, pass, read, rowGrain, update } from "../contract.js";
import * as reference from "./reference.js";
import stepWgsl from "./step.wgsl.js";

/** One SGD step of one parameter, in place; velocity starts at zero (PyTorch's rule without dampening). */
export const step = pass({
  label: "sgd/step",
  buffers: {
    parameter: update("n", "f32"),
    gradient: read("n"),
    velocity: optional(update("n", "f32")),
    /** Learning rate first. */
    schedule: read("4", "f32"),
    /** Gradient norm and its factor (grad-norm/join); a factor below 0 skips the step (loss-scale/unscale). */
    clip: optional(read("2", "f32")),
  },
  params: { n: "u32", momentum: "f32", nesterov: "u32", weightDecay: "f32", hasVelocity: "u32", hasClip: "u32" },
  reference: reference.step,
  cpu: {
    dtypes: ["f32", "bf16", "f16"],
    launches: [{ symbol: "sgd_step", cells: ({ n }) => n, grain: () => rowGrain(1) }],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [
      {
        source: stepWgsl,
        tiles: () => ({ WORKGROUP: 256 }),
        grid: ({ n }, { WORKGROUP }) => foldGrid(ceilDiv(n, WORKGROUP)),
        cut: over("n"),
      },
    ],
  },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("sgd_step", "f32")] },
});
