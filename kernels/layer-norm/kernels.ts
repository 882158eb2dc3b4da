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
  label: "layer-norm/forward",
  buffers: {
    x: read("T C"),
    weight: read("C"),
    bias: read("C"),
    y: write("T C"),
    mean: write("T", "f32"),
    rstd: write("T", "f32"),
  },
  params: { T: "u32", C: "u32", eps: "f32" },
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "layer_norm_forward", cells: ({ T }) => T, grain: ({ C }) => rowGrain(C) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [perRow(forwardWgsl)] },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: overRows(
      "layer_norm_forward",
      ({ T }) => T,
      ({ C }) => C,
    ),
  },
});

export const backwardInput = pass({
  label: "layer-norm/backward-input",
  buffers: {
    dy: read("T C"),
    x: read("T C"),
    weight: read("C"),
    mean: read("T", "f32"),
    rstd: read("T", "f32"),
    dx: write("T C"),
  },
  params: { T: "u32", C: "u32" },
  reference: reference.backwardInput,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "layer_norm_backward_input", cells: ({ T }) => T, grain: ({ C }) => rowGrain(C) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [perRow(backwardInputWgsl)] },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: overRows(
      "layer_norm_backward_input",
      ({ T }) => T,
      ({ C }) => C,
    ),
  },
});

/** Rows that one cell of the weight gradient sums: fixed, so that the order of the sum is. */
const BLOCK = 64;
const COLUMN_TILES = { WORKGROUP: 64, ROWS: BLOCK };

export const backwardWeight = pass({
  label: "layer-norm/backward-weight",
  buffers: {
    dy: read("T C"),
    x: read("T C"),
    mean: read("T", "f32"),
    rstd: read("T", "f32"),
    dweight: write("C"),
    dbias: write("C"),
  },
  params: { T: "u32", C: "u32" },
  reference: reference.backwardWeight,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: ({ T, C }) => ceilDiv(T, BLOCK) * C * 2 * 4,
    launches: [
      {
        symbol: "layer_norm_backward_weight_partial",
        cells: ({ T }) => ceilDiv(T, BLOCK),
        grain: ({ C }) => rowGrain(BLOCK * C),
      },
      {
        symbol: "layer_norm_backward_weight_join",
        cells: ({ C }) => ceilDiv(C, BLOCK),
        grain: ({ T }) => rowGrain(2 * T),
      },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    scratchBytes: ({ T, C }) => ceilDiv(T, BLOCK) * C * 2 * 4,
    launches: [
      {
        source: backwardWeightWgsl,
        tiles: () => COLUMN_TILES,
        grid: ({ T, C }, { WORKGROUP }) => [ceilDiv(C, WORKGROUP), ceilDiv(T, BLOCK), 1],
        buffers: ["dy", "x", "mean", "rstd"],
        cut: () => ({ over: "T", unit: BLOCK }),
        places: ["T"],
      },
      {
        source: backwardWeightJoinWgsl,
        tiles: () => COLUMN_TILES,
        grid: ({ C }, { WORKGROUP }) => [ceilDiv(C, WORKGROUP), 1, 1],
        buffers: ["dweight", "dbias"],
      },
    ],
  },
  cuda: columnSums("layer_norm_backward_weight", 2, ALL_FLOATS),
});
