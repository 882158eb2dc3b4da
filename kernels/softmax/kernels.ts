import { overRows } from "../common/cuda/rows.js";
import { perRow } from "../common/wgsl/rows.js";
import { ALL_FLOATS, pass, read, rowGrain, write } from "../contract.js";
import backwardWgsl from "./backward.wgsl.js";
import forwardWgsl from "./forward.wgsl.js";
import * as reference from "./reference.js";

export const forward = pass({
  label: "softmax/forward",
  buffers: { x: read("T C"), y: write("T C") },
  params: {
    T: "u32",
    C: "u32",
    /** 1: y is the logarithm. */
    log: "u32",
  },
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "softmax_forward", cells: ({ T }) => T, grain: ({ C }) => rowGrain(2 * C) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [perRow(forwardWgsl)] },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: overRows(
      "softmax_forward",
      ({ T }) => T,
      ({ C }) => C,
    ),
  },
});

export const backward = pass({
  label: "softmax/backward",
  buffers: { dy: read("T C"), y: read("T C"), dx: write("T C") },
  params: { T: "u32", C: "u32", log: "u32" },
  reference: reference.backward,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "softmax_backward", cells: ({ T }) => T, grain: ({ C }) => rowGrain(2 * C) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [perRow(backwardWgsl)] },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: overRows(
      "softmax_backward",
      ({ T }) => T,
      ({ C }) => C,
    ),
  },
});
