import { oneThread } from "../common/cuda/grid.js";
import { ALL_FLOATS, pass, read, update, write } from "../contract.js";
import nextWgsl from "./next.wgsl.js";
import * as reference from "./reference.js";
import unscaleWgsl from "./unscale.wgsl.js";

/** What an optimiser multiplies scaled gradients by: 1 / scale and the clipping together, or "skip this step". */
export const unscale = pass({
  label: "loss-scale/unscale",
  buffers: {
    /** Norm of the scaled gradients first (grad-norm/join). */
    scaled: read("2", "f32"),
    scale: read("1", "f32"),
    /** Steps since the scale changed; 1 where a gradient of this step is not finite; steps skipped so far. */
    counts: update("3", "f32"),
    clip: write("2", "f32"),
  },
  params: { maxNorm: "f32" },
  reference: reference.unscale,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "loss_scale_unscale", cells: () => 1 }] },
  webgpu: { dtypes: ["f32"], launches: [{ source: unscaleWgsl, grid: () => [1, 1, 1] }] },
  cuda: { dtypes: ["f32"], launches: [oneThread("loss_scale_unscale")] },
});

/** The scale of the next step. */
export const next = pass({
  label: "loss-scale/next",
  buffers: { scale: update("1", "f32"), counts: update("3", "f32") },
  params: { growth: "f32", backoff: "f32", interval: "u32" },
  reference: reference.next,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "loss_scale_next", cells: () => 1 }] },
  webgpu: { dtypes: ["f32"], launches: [{ source: nextWgsl, grid: () => [1, 1, 1] }] },
  cuda: { dtypes: ["f32"], launches: [oneThread("loss_scale_next")] },
});
