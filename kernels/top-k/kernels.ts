/** K of README.md's letters is here the number of values kept. */
import { ALL_FLOATS, ceilDiv, type ParamValues, pass, read, rowGrain, write } from "../contract.js";
import * as reference from "./reference.js";

const sizes = { T: "u32", V: "u32", K: "u32" } as const;
type Sizes = ParamValues<typeof sizes>;

/** Columns that one cell searches: rows of a large vocabulary are shared out. */
const COLUMNS = 32768;
const blocks = ({ V }: Sizes) => ceilDiv(V, COLUMNS);

export const forward = pass({
  label: "top-k/forward",
  buffers: { x: read("T V"), values: write("T K"), indices: write("T K", "i32") },
  params: sizes,
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => p.T * blocks(p) * p.K * 8,
    launches: [
      {
        symbol: "top_k_forward",
        cells: (p) => p.T * blocks(p),
        grain: ({ V, K }) => rowGrain(Math.min(V, COLUMNS) / 2 + 32 * K),
      },
      {
        symbol: "top_k_forward_join",
        cells: ({ T }) => T,
        grain: (p) => rowGrain(16 * p.K * (1 + Math.log2(blocks(p)))),
      },
    ],
  },
});

export const backward = pass({
  label: "top-k/backward",
  buffers: { dy: read("T K"), indices: read("T K", "i32"), dx: write("T V") },
  params: sizes,
  reference: reference.backward,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "top_k_backward", cells: ({ T }) => T, grain: ({ V }) => rowGrain(V) }],
  },
});
