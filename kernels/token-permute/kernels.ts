/** K of README.md's letters is here the number of experts of a token, R = T K the grouped rows: kernels/top-k-routing/lists.ts. */
import { overRows } from "../common/cuda/rows.js";
import { foldGrid, threads } from "../common/wgsl/grid.js";
import { rowThreads } from "../common/wgsl/rows.js";
import { ALL_FLOATS, optional, pass, read, rowGrain, update, write } from "../contract.js";
import backwardCombineWgsl from "./backward-combine.wgsl.js";
import combineWgsl from "./combine.wgsl.js";
import dispatchWgsl from "./dispatch.wgsl.js";
import * as reference from "./reference.js";

const sizes = {
  T: "u32",
  E: "u32",
  K: "u32",
  R: "u32",
  C: "u32",
  /** Elements of lists. */
  L: "u32",
} as const;

/** y[r] = x[token of r]: rows in the order of their experts; zero from the last one kept on. */
export const dispatch = pass({
  label: "token-permute/dispatch",
  buffers: { x: read("T C"), lists: read("L", "i32"), y: write("R C") },
  params: sizes,
  reference: reference.dispatch,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "token_permute_dispatch", cells: ({ R }) => R, grain: ({ C }) => rowGrain(C) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [threads(dispatchWgsl, ({ R, C }) => R * C)] },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: overRows(
      "token_permute_dispatch",
      ({ R }) => R,
      ({ C }) => C,
    ),
  },
});

/** y[t] = Σ_k weights[t,k] x[row of (t,k)], in the order of k; a dropped choice adds nothing. Without weights they are 1, and this is the gradient of dispatch. */
export const combine = pass({
  label: "token-permute/combine",
  buffers: {
    x: read("R C"),
    weights: optional(read("T K", "f32")),
    lists: read("L", "i32"),
    /** Read only when `accumulate`. */
    y: update("T C"),
  },
  params: { ...sizes, accumulate: "u32", hasWeights: "u32" },
  reference: reference.combine,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "token_permute_combine", cells: ({ T }) => T, grain: ({ K, C }) => rowGrain(K * C) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [threads(combineWgsl, ({ T, C }) => T * C)] },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: overRows(
      "token_permute_combine",
      ({ T }) => T,
      ({ C }) => C,
    ),
  },
});

/** dx[r] = weights[t,k] dy[t], zero from the last row kept on; dweights[t,k] = ⟨dy[t], x[r]⟩, zero where dropped. */
export const backwardCombine = pass({
  label: "token-permute/backward-combine",
  buffers: {
    dy: read("T C"),
    x: read("R C"),
    weights: read("T K", "f32"),
    lists: read("L", "i32"),
    dx: write("R C"),
    dweights: write("T K", "f32"),
  },
  params: sizes,
  reference: reference.backwardCombine,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "token_permute_backward_combine", cells: ({ R }) => R, grain: ({ C }) => rowGrain(C) }],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [
      {
        source: backwardCombineWgsl,
        tiles: ({ C }, limits) => ({ WORKGROUP: rowThreads(C, limits) }),
        grid: ({ R }) => foldGrid(R),
      },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: overRows(
      "token_permute_backward_combine",
      ({ R }) => R,
      ({ C }) => C,
    ),
  },
});
