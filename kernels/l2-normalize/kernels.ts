import { overRows } from "../common/cuda/rows.js";
import { perRow } from "../common/wgsl/rows.js";
import { ALL_FLOATS, pass, read, rowGrain, write } from "../contract.js";
import backwardWgsl from "./backward.wgsl.js";
import forwardWgsl from "./forward.wgsl.js";
import * as reference from "./reference.js";

export const forward = pass({
  label: "l2-normalize/forward",
  buffers: { x: read("T C"), y: write("T C"), norm: write("T", "f32") },
  params: { T: "u32", C: "u32", eps: "f32" },
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "l2_normalize_forward", cells: ({ T }) => T, grain: ({ C }) => rowGrain(C) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [perRow(forwardWgsl)] },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: overRows(
      "l2_normalize_forward",
      ({ T }) => T,
      ({ C }) => C,
    ),
  },
});

export const backward = pass({
  label: "l2-normalize/backward",
  buffers: { dy: read("T C"), x: read("T C"), norm: read("T", "f32"), dx: write("T C") },
  params: { T: "u32", C: "u32", eps: "f32" },
  reference: reference.backward,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "l2_normalize_backward", cells: ({ T }) => T, grain: ({ C }) => rowGrain(C) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [perRow(backwardWgsl)] },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: overRows(
      "l2_normalize_backward",
      ({ T }) => T,
      ({ C }) => C,
    ),
  },
});
