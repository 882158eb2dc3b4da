import { ALL_FLOATS, ceilDiv, pass, read, rowGrain, write } from "../contract.js";
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
});

/** Rows that one cell of the weight gradient sums: fixed, so that the order of the sum is. */
const BLOCK = 64;

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
});
