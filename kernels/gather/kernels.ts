/** Elements picked along one dimension by an index of their own each, and the sum that undoes it. */
import { columnWidth, threads as cudaThreads, vectors } from "../common/cuda/grid.js";
import { threads } from "../common/wgsl/grid.js";
import { ALL_FLOATS, type BufferSpec, ceilDiv, optional, pass, read, rowGrain, update, write } from "../contract.js";
import forwardWgsl from "./forward.wgsl.js";
import * as reference from "./reference.js";
import scatterAddWgsl from "./scatter-add.wgsl.js";

/** Columns that one cell of a sum owns: no two cells write the same element. */
const COLUMNS = 64;

/** On cuda each element of a sum looks through so many indices; through more, blocks that own so many places of v. */
const FEW = 512;
const STRETCH = 32;

const params = { O: "u32", V: "u32", K: "u32", I: "u32", faultLabel: "u32" } as const;

const forwardOf = <D extends BufferSpec["dtype"]>(dtype: D) =>
  pass({
    label: "gather/forward",
    buffers: {
      x: read("O V I", dtype),
      index: read("O K I", "i32"),
      y: write("O K I", dtype),
      faults: update("4", "u32"),
    },
    params,
    reference: reference.forward,
    cpu: {
      dtypes: ALL_FLOATS,
      launches: [{ symbol: "gather_forward", cells: ({ O, K }) => O * K, grain: ({ I }) => rowGrain(I) }],
    },
    webgpu: {
      dtypes: ["f32", "f16"],
      launches: [threads(forwardWgsl, ({ O, K, I }) => O * K * I)],
    },
    cuda: { dtypes: ALL_FLOATS, launches: [vectors("gather_forward", ({ O, K, I }) => O * K * I, "f32")] },
  });

export const forward = forwardOf("value");
export const forwardInt = forwardOf("i32");

/** y = base (0 where absent) with x added at the elements that gather would read: its gradient, and scatterAdd. */
export const scatterAdd = pass({
  label: "gather/scatter-add",
  buffers: {
    x: read("O K I"),
    index: read("O K I", "i32"),
    base: optional(read("O V I")),
    y: write("O V I"),
    faults: update("4", "u32"),
  },
  params: { ...params, hasBase: "u32" },
  reference: reference.scatterAdd,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "gather_scatter_add", cells: ({ O, I }) => O * ceilDiv(I, COLUMNS) }],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [threads(scatterAddWgsl, ({ O, V, I }) => O * V * I)],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: [
      cudaThreads("gather_scatter_add_few", ({ O, V, K, I }) => (K > FEW ? 0 : O * V * I)),
      {
        symbol: "gather_scatter_add_many",
        grid: ({ O, V, K, I }) => [K > FEW ? O * ceilDiv(I, columnWidth(I)) * ceilDiv(V, STRETCH) : 0, 1, 1],
        block: () => [256, 1, 1],
      },
    ],
  },
});
