import { ALL_FLOATS, pass, write } from "../contract.js";
import * as reference from "./reference.js";

const elements = ({ n }: { n: number }) => n;
const grain = () => 32768;

export const value = pass({
  label: "fill/value",
  buffers: { y: write("n") },
  params: { n: "u32", value: "f32" },
  reference: reference.value,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "fill_value", cells: elements, grain }] },
});

/** `value` is the 32 bits of an i32 or u32. */
export const valueInt = pass({
  label: "fill/value-int",
  buffers: { y: write("n", "i32") },
  params: { n: "u32", value: "u32" },
  reference: reference.value,
  cpu: { dtypes: ["f32"], launches: [{ symbol: "fill_value_int", cells: elements, grain }] },
});

/** y[i] = start + i step */
export const range = pass({
  label: "fill/range",
  buffers: { y: write("n") },
  params: { n: "u32", start: "f32", step: "f32" },
  reference: reference.range,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "fill_range", cells: elements, grain }] },
});

/** `start` and `step` are the 32 bits of i32 values; the result wraps. */
export const rangeInt = pass({
  label: "fill/range-int",
  buffers: { y: write("n", "i32") },
  params: { n: "u32", start: "u32", step: "u32" },
  reference: reference.rangeInt,
  cpu: { dtypes: ["f32"], launches: [{ symbol: "fill_range_int", cells: elements, grain }] },
});
