import { perElement as perCudaElement } from "../common/cuda/grid.js";
import { perElement } from "../common/wgsl/grid.js";
import { ALL_FLOATS, ceilDiv, pass, read, rowGrain, write } from "../contract.js";
import normalWgsl from "./normal.wgsl.js";
import * as reference from "./reference.js";
import uniformWgsl from "./uniform.wgsl.js";

/** y[i] = low + (high - low) u[i], u uniform in [0, 1) with 24 bits. */
export const uniform = pass({
  label: "random/uniform",
  buffers: { random: read("4", "u32"), y: write("n") },
  params: { n: "u32", low: "f32", high: "f32", sequence: "u32" },
  reference: reference.uniform,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "random_uniform", cells: ({ n }) => n, grain: () => rowGrain(1) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [{ ...perElement(uniformWgsl), places: ["n"] }] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("random_uniform")] },
});

/** Box-Muller on pairs: elements 2j and 2j + 1 are the cosine and the sine of one draw. */
export const normal = pass({
  label: "random/normal",
  buffers: { random: read("4", "u32"), y: write("n") },
  params: { n: "u32", mean: "f32", deviation: "f32", sequence: "u32" },
  reference: reference.normal,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "random_normal", cells: ({ n }) => ceilDiv(n, 2), grain: () => rowGrain(8) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [{ ...perElement(normalWgsl), places: ["n"] }] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("random_normal")] },
});
