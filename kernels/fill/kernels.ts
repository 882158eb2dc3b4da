import { perElement as perCudaElement } from "../common/cuda/grid.js";
import { perElement, vectors } from "../common/wgsl/grid.js";
import { ALL_FLOATS, pass, write } from "../contract.js";
import rangeWgsl from "./range.wgsl.js";
import rangeIntWgsl from "./range-int.wgsl.js";
import * as reference from "./reference.js";
import valueWgsl from "./value.wgsl.js";
import valueIntWgsl from "./value-int.wgsl.js";

const elements = ({ n }: { n: number }) => n;
const grain = () => 32768;

export const value = pass({
  label: "fill/value",
  buffers: { y: write("n") },
  params: { n: "u32", value: "f32" },
  reference: reference.value,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "fill_value", cells: elements, grain }] },
  webgpu: { dtypes: ["f32", "f16"], launches: [perElement(valueWgsl)] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("fill_value")] },
});

/** `value` is the 32 bits of an i32 or u32. */
export const valueInt = pass({
  label: "fill/value-int",
  buffers: { y: write("n", "i32") },
  params: { n: "u32", value: "u32" },
  reference: reference.value,
  cpu: { dtypes: ["f32"], launches: [{ symbol: "fill_value_int", cells: elements, grain }] },
  webgpu: { dtypes: ["f32"], launches: [perElement(valueIntWgsl)] },
  cuda: { dtypes: ["f32"], launches: [perCudaElement("fill_value_int")] },
});

/** y[i] = start + i step */
export const range = pass({
  label: "fill/range",
  buffers: { y: write("n") },
  params: { n: "u32", start: "f32", step: "f32" },
  reference: reference.range,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "fill_range", cells: elements, grain }] },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [{ ...vectors(rangeWgsl), cut: ({ step }) => ({ over: "n", advance: { start: step } }) }],
  },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("fill_range")] },
});

/** `start` and `step` are the 32 bits of i32 values; the result wraps. */
export const rangeInt = pass({
  label: "fill/range-int",
  buffers: { y: write("n", "i32") },
  params: { n: "u32", start: "u32", step: "u32" },
  reference: reference.rangeInt,
  cpu: { dtypes: ["f32"], launches: [{ symbol: "fill_range_int", cells: elements, grain }] },
  webgpu: { dtypes: ["f32"], launches: [vectors(rangeIntWgsl)] },
  cuda: { dtypes: ["f32"], launches: [perCudaElement("fill_range_int")] },
});
