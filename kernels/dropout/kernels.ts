import { perElement as perCudaElement } from "../common/cuda/grid.js";
import { perElement } from "../common/wgsl/grid.js";
import { ALL_FLOATS, pass, read, rowGrain, write } from "../contract.js";
import forwardWgsl from "./forward.wgsl.js";
import * as reference from "./reference.js";

/**
 * y[i] = x[i] / (1 - rate) where the random number of group i / span is at least `rate`, else 0. span 1 is dropout; the
 * size of a sample is drop path. Linear in x with a mask that `sequence` regenerates: the gradient is the same pass on dy.
 */
export const forward = pass({
  label: "dropout/forward",
  buffers: { x: read("n"), random: read("4", "u32"), y: write("n") },
  params: { n: "u32", span: "u32", rate: "f32", sequence: "u32" },
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "dropout_forward", cells: ({ n }) => n, grain: () => rowGrain(1) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [{ ...perElement(forwardWgsl), places: ["n"] }] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("dropout_forward")] },
});
