import { columnSums } from "../common/cuda/column-sums.js";
import { overRows } from "../common/cuda/rows.js";
import { perRow } from "../common/wgsl/rows.js";
import { ALL_FLOATS, ceilDiv, pass, read, rowGrain, write } from "../contract.js";
import backwardInputWgsl from "./backward-input.wgsl.js";
import backwardWeightWgsl from "./backward-weight.wgsl.js";
import backwardWeightJoinWgsl from "./backward-weight-join.wgsl.js";
import forwardWgsl from "./forward.wgsl.js";
import * as reference from "./reference.js";

export const forward = pass({
  label: "rms-norm/forward",
  buffers: { x: read("T C"), weight: read("C"), y: write("T C"), rstd: write("T", "f32") },
  params: { T: "u32", C: "u32", eps: "f32" },
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "rms_norm_forward", cells: ({ T }) => T, grain: ({ C }) => rowGrain(C) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [perRow(forwardWgsl)] },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: overRows(
      "rms_norm_forward",
      ({ T }) => T,
      ({ C }) => C,
    ),
  },
});

export const backwardInput = pass({
  label: "rms-norm/backward-input",
  buffers: { dy: read("T C"), x: read("T C"), weight: read("C"), rstd: read("T", "f32"), dx: write("T C") },
  params: { T: "u32", C: "u32" },
  reference: reference.backwardInput,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "rms_norm_backward_input", cells: ({ T }) => T, grain: ({ C }) => rowGrain(C) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [perRow(backwardInputWgsl)] },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: overRows(
      "rms_norm_backward_input",
      ({ T }) => T,
      ({ C }) => C,
    ),
  },
});

/** Rows that one cell of the weight gradient sums: fixed, so that the order of the sum is. */
const BLOCK = 64;
const COLUMN_TILES = { WORKGROUP: 64, ROWS: BLOCK };

export const backwardWeight = pass({
  label: "rms-norm/backward-weight",
  buffers: { dy: read("T C"), x: read("T C"), rstd: read("T", "f32"), dweight: write("C") },
  params: { T: "u32", C: "u32" },
  reference: reference.backwardWeight,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: ({ T, C }) => ceilDiv(T, BLOCK) * C * 4,
    launches: [
      {
        symbol: "rms_norm_backward_weight_partial",
        cells: ({ T }) => ceilDiv(T, BLOCK),
        grain: ({ C }) => rowGrain(BLOCK * C),
      },
      { symbol: "rms_norm_backward_weight_join", cells: ({ C }) => ceilDiv(C, BLOCK), grain: ({ T }) => rowGrain(T) },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    scratchBytes: ({ T, C }) => ceilDiv(T, BLOCK) * C * 4,
    launches: [
      {
        source: backwardWeightWgsl,
        tiles: () => COLUMN_TILES,
        grid: ({ T, C }, { WORKGROUP }) => [ceilDiv(C, WORKGROUP), ceilDiv(T, BLOCK), 1],
        buffers: ["dy", "x", "rstd"],
        cut: () => ({ over: "T", unit: BLOCK }),
        places: ["T"],
      },
      {
        source: backwardWeightJoinWgsl,
        tiles: () => COLUMN_TILES,
        grid: ({ C }, { WORKGROUP }) => [ceilDiv(C, WORKGROUP), 1, 1],
        buffers: ["dweight"],
      },
    ],
  },
  cuda: columnSums("rms_norm_backward_weight", 1, ALL_FLOATS),
});
