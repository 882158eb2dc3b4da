import { perElement as perCudaElement } from "../common/cuda/grid.js";
import { perElement } from "../common/wgsl/grid.js";
import { ALL_FLOATS, pass, read, write } from "../contract.js";
import fromIntWgsl from "./from-int.wgsl.js";
import * as reference from "./reference.js";
import toBf16Wgsl from "./to-bf16.wgsl.js";
import toF16Wgsl from "./to-f16.wgsl.js";
import toF32Wgsl from "./to-f32.wgsl.js";
import toIntWgsl from "./to-int.wgsl.js";

const elements = ({ n }: { n: number }) => n;
const grain = () => 16384;

export const toF32 = pass({
  label: "cast/to-f32",
  buffers: { x: read("n"), y: write("n", "f32") },
  params: { n: "u32" },
  reference: reference.toFloat,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "cast_to_f32", cells: elements, grain }] },
  webgpu: { dtypes: ALL_FLOATS, launches: [perElement(toF32Wgsl)] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("cast_to_f32", "f32")] },
});

export const toBf16 = pass({
  label: "cast/to-bf16",
  buffers: { x: read("n"), y: write("n", "bf16") },
  params: { n: "u32" },
  reference: reference.toFloat,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "cast_to_bf16", cells: elements, grain }] },
  webgpu: { dtypes: ALL_FLOATS, launches: [perElement(toBf16Wgsl)] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("cast_to_bf16", "f32")] },
});

export const toF16 = pass({
  label: "cast/to-f16",
  buffers: { x: read("n"), y: write("n", "f16") },
  params: { n: "u32" },
  reference: reference.toFloat,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "cast_to_f16", cells: elements, grain }] },
  webgpu: { dtypes: ALL_FLOATS, launches: [perElement(toF16Wgsl)] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("cast_to_f16", "f32")] },
});

/** y is u32 where `isUnsigned`. */
export const toInt = pass({
  label: "cast/to-int",
  buffers: { x: read("n"), y: write("n", "i32") },
  params: { n: "u32", isUnsigned: "u32" },
  reference: reference.toInt,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "cast_to_int", cells: elements, grain }] },
  webgpu: { dtypes: ALL_FLOATS, launches: [perElement(toIntWgsl)] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("cast_to_int", "f32")] },
});

/** x is u32 where `isUnsigned`. */
export const fromInt = pass({
  label: "cast/from-int",
  buffers: { x: read("n", "i32"), y: write("n") },
  params: { n: "u32", isUnsigned: "u32" },
  reference: reference.fromInt,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "cast_from_int", cells: elements, grain }] },
  webgpu: { dtypes: ALL_FLOATS, launches: [perElement(fromIntWgsl)] },
  cuda: { dtypes: ALL_FLOATS, launches: [perCudaElement("cast_from_int", "f32")] },
});
