import { vectors } from "../common/cuda/grid.js";
import { listBytes, makeLists as makeCudaLists, sumLists } from "../common/cuda/lists.js";
import { makeLists, threads } from "../common/wgsl/grid.js";
import { ALL_FLOATS, type Cut, ceilDiv, type ParamValues, pass, read, rowGrain, update, write } from "../contract.js";
import backwardWeightWgsl from "./backward-weight.wgsl.js";
import backwardWeightListsWgsl from "./backward-weight-lists.wgsl.js";
import forwardWgsl from "./forward.wgsl.js";
import * as reference from "./reference.js";

const sizes = { T: "u32", V: "u32", C: "u32" } as const;
const forwardParams = { ...sizes, faultLabel: "u32" } as const;

/** By ids; by rows of the weight, of which each part looks up its own. */
const forwardCut = ({ C }: ParamValues<typeof forwardParams>): readonly Cut<typeof forwardParams>[] => [
  { over: "T", along: { ids: 1, y: C } },
  { over: "V", along: { weight: C } },
];

export const forward = pass({
  label: "embedding/forward",
  buffers: { weight: read("V C"), ids: read("T", "i32"), y: write("T C"), faults: update("4", "u32") },
  params: forwardParams,
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "embedding_forward", cells: ({ T }) => T, grain: ({ C }) => rowGrain(C) }],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [
      {
        ...threads(forwardWgsl, ({ T, C }) => T * C),
        cut: forwardCut,
        places: ["V"],
      },
    ],
  },
  cuda: { dtypes: ALL_FLOATS, launches: [vectors("embedding_forward", ({ T, C }) => T * C)] },
});

/** Columns of a cell of the weight gradient, so that several share an id that most positions have (token types, padding). */
const COLS = 64;

export const backwardWeight = pass({
  label: "embedding/backward-weight",
  buffers: {
    dy: read("T C"),
    ids: read("T", "i32"),
    /** Read only when `accumulate`. */
    dweight: update("V C"),
  },
  params: {
    ...sizes,
    /** Bits of an i32: look-ups of this row give it no gradient; -1 for none. */
    paddingIndex: "u32",
    /** 1: adds to dweight; 0: overwrites it, zeros in rows that nobody looked up. */
    accumulate: "u32",
  },
  reference: reference.backwardWeight,
  cpu: {
    dtypes: ALL_FLOATS,
    /** Two lists of (id, position), between which the sort moves. */
    scratchBytes: ({ T }) => T * 8 * 2,
    launches: [
      { symbol: "embedding_backward_weight_sort", cells: () => 1 },
      {
        symbol: "embedding_backward_weight_zero",
        cells: ({ V, accumulate }) => (accumulate ? 0 : V),
        grain: ({ C }) => 4 * rowGrain(C),
      },
      {
        symbol: "embedding_backward_weight_add",
        cells: ({ T, C }) => T * ceilDiv(C, COLS),
        grain: ({ C }) => rowGrain(Math.min(C, COLS)),
      },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    scratchBytes: ({ V, T }) => 4 * (2 * V + T),
    launches: [
      makeLists(backwardWeightListsWgsl, ["ids"]),
      {
        ...threads(backwardWeightWgsl, ({ V, C }) => V * C),
        buffers: ["dy", "dweight"],
        cut: ({ C }) => ({ over: "V", along: { dweight: C } }),
        places: ["V"],
      },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    scratchBytes: ({ V, T }) => listBytes(V, T),
    launches: [
      makeCudaLists("embedding_backward_weight_lists"),
      ...sumLists("embedding_backward_weight", ({ T, V, C }: { T: number; V: number; C: number }) => ({
        O: 1,
        V,
        K: T,
        I: C,
      })),
    ],
  },
});
