import * as ceiling from "../../../kernels/ceiling/kernels.js";
import { tryOpen } from "../../support/devices.js";
import { describePasses, type PassCase, room, values } from "../../support/pass-cases.js";

const cases: PassCase[] = [
  {
    pass: ceiling.multiplyAdd,
    name: "sums of no whole cell, thread or vector",
    params: { n: 1027, steps: 16, factor: -0.75, term: 1.5 },
    arrays: { y: room(1027) },
    tolerance: { f32: 1e-6 },
  },
  {
    pass: ceiling.matrixMultiplyAdd,
    name: "a block and two warps, five steps",
    params: { B: 10, steps: 5 },
    arrays: { left: values(64 * 16, "left"), right: values(16 * 32, "right"), y: room(10 * 64 * 32) },
    // Sums of 80 products in f32; operands are rounded before.
    tolerance: { bf16: 3e-6, f16: 3e-6 },
  },
  {
    pass: ceiling.copy,
    name: "a tail after whole vectors",
    params: { n: 1003 },
    arrays: { x: values(1003, "copied"), y: room(1003) },
    tolerance: { f32: 0 },
  },
  {
    pass: ceiling.launch,
    name: "one word",
    params: { value: 0xfeedbeef },
    arrays: { y: new Uint32Array(1) },
    tolerance: { f32: 0 },
  },
];

describePasses([
  ["cpu", await tryOpen("cpu", { debug: true, threads: 2 }), cases],
  ["webgpu", await tryOpen("webgpu", { debug: true }), cases],
  ["cuda", await tryOpen("cuda", { debug: true }), cases],
]);
