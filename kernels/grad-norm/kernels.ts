import { foldGrid } from "../common/wgsl/grid.js";
import { ALL_FLOATS, ceilDiv, pass, read, update, write } from "../contract.js";
import joinWgsl from "./join.wgsl.js";
import partialWgsl from "./partial.wgsl.js";
import * as reference from "./reference.js";

/** Elements whose squares one partial sum adds up. */
export const BLOCK = 16384;

/** Sums of squares of one gradient, by blocks, into partials[offset ...] of an array that all gradients share. */
export const partial = pass({
  label: "grad-norm/partial",
  buffers: { x: read("n"), partials: update("count", "f32") },
  params: { n: "u32", offset: "u32", count: "u32" },
  reference: reference.partial,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "grad_norm_partial", cells: ({ n }) => ceilDiv(n, BLOCK), grain: () => 1 }],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [
      {
        source: partialWgsl,
        tiles: () => ({ WORKGROUP: 256, BLOCK }),
        grid: ({ n }) => foldGrid(ceilDiv(n, BLOCK)),
        cut: () => ({ over: "n", unit: BLOCK, advance: { offset: 1 / BLOCK } }),
      },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "grad_norm_partial", grid: ({ n }) => [ceilDiv(n, BLOCK), 1, 1], block: () => [256, 1, 1] }],
  },
});

/** clip = the norm, and the factor that brings it to maxNorm where it is larger (PyTorch's clip_grad_norm_). */
export const join = pass({
  label: "grad-norm/join",
  buffers: { partials: read("count", "f32"), clip: write("2", "f32") },
  params: { count: "u32", maxNorm: "f32" },
  reference: reference.join,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "grad_norm_join", cells: () => 1 }] },
  webgpu: {
    dtypes: ["f32"],
    launches: [{ source: joinWgsl, tiles: () => ({ WORKGROUP: 256 }), grid: () => [1, 1, 1] }],
  },
  cuda: { dtypes: ["f32"], launches: [{ symbol: "grad_norm_join", grid: () => [1, 1, 1], block: () => [256, 1, 1] }] },
});
