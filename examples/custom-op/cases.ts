import type { CaseTable } from "consilium/extend";

/** Shapes at the edges; the tolerance is that of one rounding, or two, of each storage type. */
export const table: CaseTable = {
  op: "squaredRelu",
  tolerance: { f32: 2e-7, bf16: 8e-3, f16: 1e-3 },
  reason: "each value rounds at most twice; relative to the largest",
  cases: [
    { name: "no element", inputs: { x: [0] } },
    { name: "one element", inputs: { x: [1] } },
    { name: "both signs, zero, a value beyond f16's square", inputs: { x: { shape: [4], values: [-3, 0, 2, 300] } } },
    { name: "tail after whole vectors", inputs: { x: [33, 65] }, dtypes: ["f32", "bf16", "f16"] },
    { name: "several chunks for the threads", inputs: { x: { shape: [3, 16384], fill: "spiky" } } },
  ],
};
