/**
 * One pass per arity; the function is the param `f` (functions.ts). Cells are elements: a chunk is a run of them, whole
 * vectors but for the last.
 */
import { perElement as perCudaElement } from "../common/cuda/grid.js";
import { perElement, vectors } from "../common/wgsl/grid.js";
import { ALL_FLOATS, type BufferSpec, pass, read, update, write } from "../contract.js";
import accumulateWgsl from "./accumulate.wgsl.js";
import binaryWgsl from "./binary.wgsl.js";
import binaryBroadcastWgsl from "./binary-broadcast.wgsl.js";
import compareWgsl from "./compare.wgsl.js";
import compareIntWgsl from "./compare-int.wgsl.js";
import * as reference from "./reference.js";
import unaryWgsl from "./unary.wgsl.js";
import unaryBackwardInputWgsl from "./unary-backward-input.wgsl.js";
import whereWgsl from "./where.wgsl.js";

/** Elements per chunk: some ten microseconds, of streaming and of evaluating a function. */
const STREAM = 16384;
const EVALUATE = 8192;

const elements = ({ n }: { n: number }) => n;

export const unary = pass({
  label: "elementwise/unary",
  buffers: { x: read("n"), y: write("n") },
  params: { n: "u32", f: "u32", alpha: "f32", beta: "f32" },
  reference: reference.unary,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "elementwise_unary", cells: elements, grain: () => EVALUATE }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [perElement(unaryWgsl)] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("elementwise_unary")] },
});

export const unaryBackwardInput = pass({
  label: "elementwise/unary-backward-input",
  /** `saved` is x or y, as DERIVATIVE_OF says. */
  buffers: { dy: read("n"), saved: read("n"), dx: write("n") },
  params: { n: "u32", f: "u32", alpha: "f32", beta: "f32" },
  reference: reference.unaryBackwardInput,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "elementwise_unary_backward_input", cells: elements, grain: () => EVALUATE }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [perElement(unaryBackwardInputWgsl)] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("elementwise_unary_backward_input")] },
});

export const binary = pass({
  label: "elementwise/binary",
  buffers: { a: read("n"), b: read("n"), y: write("n") },
  params: { n: "u32", f: "u32" },
  reference: reference.binary,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "elementwise_binary", cells: elements, grain: () => STREAM }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [perElement(binaryWgsl)] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("elementwise_binary")] },
});

/** y += x: a pass of its own, since WebGPU refuses a buffer that one launch reads and writes through two bindings. */
export const accumulate = pass({
  label: "elementwise/accumulate",
  buffers: { x: read("n"), y: update("n") },
  params: { n: "u32" },
  reference: reference.accumulate,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "elementwise_accumulate", cells: elements, grain: () => STREAM }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [perElement(accumulateWgsl)] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("elementwise_accumulate")] },
});

/** Six dimensions, outermost first: sizes d0..d5 (unused ones 1), strides in elements a0..a5 and b0..b5. */
export const binaryBroadcast = pass({
  label: "elementwise/binary-broadcast",
  buffers: { a: read("a"), b: read("b"), y: write("n") },
  params: {
    n: "u32",
    f: "u32",
    d0: "u32",
    d1: "u32",
    d2: "u32",
    d3: "u32",
    d4: "u32",
    d5: "u32",
    a0: "u32",
    a1: "u32",
    a2: "u32",
    a3: "u32",
    a4: "u32",
    a5: "u32",
    b0: "u32",
    b1: "u32",
    b2: "u32",
    b3: "u32",
    b4: "u32",
    b5: "u32",
  },
  reference: reference.binaryBroadcast,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "elementwise_binary_broadcast", cells: elements, grain: () => STREAM }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [vectors(binaryBroadcastWgsl)] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("elementwise_binary_broadcast")] },
});

export const compare = pass({
  label: "elementwise/compare",
  buffers: { a: read("n"), b: read("n"), y: write("n", "i32") },
  params: { n: "u32", f: "u32" },
  reference: reference.compare,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "elementwise_compare", cells: elements, grain: () => STREAM }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: [perElement(compareWgsl)] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("elementwise_compare", "f32")] },
});

export const compareInt = pass({
  label: "elementwise/compare-int",
  buffers: { a: read("n", "i32"), b: read("n", "i32"), y: write("n", "i32") },
  params: { n: "u32", f: "u32" },
  reference: reference.compare,
  cpu: {
    dtypes: ["f32"],
    launches: [{ symbol: "elementwise_compare_int", cells: elements, grain: () => STREAM }],
  },
  webgpu: { dtypes: ["f32"], launches: [perElement(compareIntWgsl)] },
  cuda: { dtypes: ["f32"], launches: [perCudaElement("elementwise_compare_int")] },
});

const whereOf = <D extends BufferSpec["dtype"]>(dtype: D) =>
  pass({
    label: "elementwise/where",
    buffers: { condition: read("n", "i32"), a: read("n", dtype), b: read("n", dtype), y: write("n", dtype) },
    params: { n: "u32" },
    reference: reference.where,
    cpu: {
      dtypes: ALL_FLOATS,
      launches: [{ symbol: "elementwise_where", cells: elements, grain: () => STREAM }],
    },
    webgpu: { dtypes: ["f32", "f16"], launches: [perElement(whereWgsl)] },
    cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("elementwise_where", "f32")] },
  });

/** y = a where the condition is not 0, else b. */
export const where = whereOf("value");
export const whereInt = whereOf("i32");
