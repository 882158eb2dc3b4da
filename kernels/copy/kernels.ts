/**
 * Moving elements: bits are copied, so each pass that does not add has a twin for 32-bit integers, `<pass>Int`, that runs
 * the same code.
 */
import { BYTES, vectors } from "../common/cuda/grid.js";
import { type ListedRows, listBytes, makeLists as makeCudaLists, sumLists } from "../common/cuda/lists.js";
import { foldGrid, makeLists, threads } from "../common/wgsl/grid.js";
import {
  ALL_FLOATS,
  type BufferSpec,
  ceilDiv,
  optional,
  type ParamValues,
  pass,
  read,
  rowGrain,
  update,
  write,
} from "../contract.js";
import indexAddWgsl from "./index-add.wgsl.js";
import indexAddListsWgsl from "./index-add-lists.wgsl.js";
import indexSelectWgsl from "./index-select.wgsl.js";
import padWgsl from "./pad.wgsl.js";
import * as reference from "./reference.js";
import stridedWgsl from "./strided.wgsl.js";
import transposeWgsl from "./transpose.wgsl.js";

/** Elements per chunk: some ten microseconds of streaming. */
const STREAM = 16384;

const stridedParams = {
  n: "u32",
  d0: "u32",
  d1: "u32",
  d2: "u32",
  d3: "u32",
  d4: "u32",
  d5: "u32",
  x0: "u32",
  x1: "u32",
  x2: "u32",
  x3: "u32",
  x4: "u32",
  x5: "u32",
  y0: "u32",
  y1: "u32",
  y2: "u32",
  y3: "u32",
  y4: "u32",
  y5: "u32",
  xOffset: "u32",
  yOffset: "u32",
} as const;

const stridedOf = <D extends BufferSpec["dtype"]>(dtype: D) =>
  pass({
    label: "copy/strided",
    /** Sizes d, strides x and y, outermost first, in elements; n is the product of d. The rest of y is left alone. */
    buffers: { x: read("x", dtype), y: update("y", dtype) },
    params: stridedParams,
    reference: reference.strided,
    cpu: {
      dtypes: ALL_FLOATS,
      launches: [{ symbol: "copy_strided", cells: ({ n }) => n, grain: () => STREAM }],
    },
    webgpu: { dtypes: ["f32", "f16"], launches: [threads(stridedWgsl, ({ n }) => n)] },
    cuda: { dtypes: ALL_FLOATS, launches: [vectors("copy_strided", ({ n }) => n)] },
  });

export const strided = stridedOf("value");
export const stridedInt = stridedOf("i32");

/** Of cpu and webgpu; on cuda tiles are 128 bytes wide. */
const TILE = 32;

const transposeParams = {
  d0: "u32",
  d1: "u32",
  d2: "u32",
  d3: "u32",
  x0: "u32",
  x1: "u32",
  x2: "u32",
  x3: "u32",
  y0: "u32",
  y1: "u32",
  y2: "u32",
  y3: "u32",
  I: "u32",
  J: "u32",
  xRow: "u32",
  yRow: "u32",
} as const;

const tiles = ({ d0, d1, d2, d3, I, J }: ParamValues<typeof transposeParams>, tile: number) =>
  d0 * d1 * d2 * d3 * ceilDiv(I, tile) * ceilDiv(J, tile);

const transposeOf = <D extends BufferSpec["dtype"]>(dtype: D) =>
  pass({
    label: "copy/transpose",
    /** I matrices' rows in x, J in y; four outer dimensions d with strides x and y. */
    buffers: { x: read("x", dtype), y: write("y", dtype) },
    params: transposeParams,
    reference: reference.transpose,
    cpu: {
      dtypes: ALL_FLOATS,
      launches: [
        {
          symbol: "copy_transpose",
          cells: (p) => tiles(p, TILE),
          grain: () => rowGrain(TILE * TILE),
        },
      ],
    },
    webgpu: {
      dtypes: ["f32", "f16"],
      launches: [{ source: transposeWgsl, grid: (p) => foldGrid(tiles(p, TILE)) }],
    },
    cuda: {
      dtypes: ALL_FLOATS,
      launches: [
        {
          symbol: "copy_transpose",
          grid: (p, _, dtype) => [tiles(p, 128 / BYTES[dtype]), 1, 1],
          block: () => [32, 8, 1],
        },
      ],
    },
  });

export const transpose = transposeOf("value");
export const transposeInt = transposeOf("i32");

const padParams = { O: "u32", L: "u32", I: "u32", before: "u32", after: "u32" } as const;

const padded = ({ O, L, I, before, after }: ParamValues<typeof padParams>) => O * (before + L + after) * I;

const padOf = <D extends BufferSpec["dtype"]>(dtype: D) =>
  pass({
    label: "copy/pad",
    buffers: { x: read("O L I", dtype), y: write("O P I", dtype) },
    params: padParams,
    reference: reference.pad,
    cpu: {
      dtypes: ALL_FLOATS,
      launches: [
        {
          symbol: "copy_pad",
          cells: padded,
          grain: () => STREAM,
        },
      ],
    },
    webgpu: { dtypes: ["f32", "f16"], launches: [threads(padWgsl, padded)] },
    cuda: { dtypes: ALL_FLOATS, launches: [vectors("copy_pad", padded)] },
  });

export const pad = padOf("value");
export const padInt = padOf("i32");

const indexSelectOf = <D extends BufferSpec["dtype"]>(dtype: D) =>
  pass({
    label: "copy/index-select",
    buffers: {
      x: read("O V I", dtype),
      index: read("K", "i32"),
      y: write("O K I", dtype),
      faults: update("4", "u32"),
    },
    params: { O: "u32", V: "u32", K: "u32", I: "u32", faultLabel: "u32" },
    reference: reference.indexSelect,
    cpu: {
      dtypes: ALL_FLOATS,
      launches: [{ symbol: "copy_index_select", cells: ({ O, K }) => O * K, grain: ({ I }) => rowGrain(I) }],
    },
    webgpu: { dtypes: ["f32", "f16"], launches: [threads(indexSelectWgsl, ({ O, K, I }) => O * K * I)] },
    cuda: { dtypes: ALL_FLOATS, launches: [vectors("copy_index_select", ({ O, K, I }) => O * K * I)] },
  });

export const indexSelect = indexSelectOf("value");
export const indexSelectInt = indexSelectOf("i32");

export const indexAdd = pass({
  label: "copy/index-add",
  buffers: {
    x: read("O K I"),
    index: read("K", "i32"),
    base: optional(read("O V I")),
    y: write("O V I"),
    faults: update("4", "u32"),
  },
  params: { O: "u32", V: "u32", K: "u32", I: "u32", hasBase: "u32", faultLabel: "u32" },
  reference: reference.indexAdd,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: ({ V, K }) => 4 * (V + 1 + K),
    launches: [
      { symbol: "copy_index_add_sort", cells: () => 1 },
      { symbol: "copy_index_add", cells: ({ O, V }) => O * V, grain: ({ I }) => rowGrain(I) },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    scratchBytes: ({ V, K }) => 4 * (2 * V + K),
    launches: [
      makeLists(indexAddListsWgsl, ["index", "faults"]),
      { ...threads(indexAddWgsl, ({ O, V, I }) => O * V * I), buffers: ["x", "base", "y"] },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    scratchBytes: ({ V, K }) => listBytes(V, K),
    launches: [makeCudaLists("copy_index_add_lists"), ...sumLists("copy_index_add", (p: ListedRows) => p)],
  },
});
