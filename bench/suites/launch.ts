import { add, scope } from "../../engine/index.js";
import { timed, uploadAll } from "../contenders/engine.js";
import { normals } from "../inputs.js";
import type { Task } from "../task.js";
import { fixedSuite } from "./suite.js";

const ELEMENTS = 1024;
const OPS = 10_000;

/**
 * What an op costs besides its arithmetic: y = y + b on 1,024 floats, with the tape on, 10,000 times in one scope; a call is
 * one op, from the first line of JavaScript to the finished device.
 */
export const launch = fixedSuite("launch", "forward", (): Task[] => [
  {
    suite: "launch",
    op: "add",
    pass: "forward",
    name: "chain of small adds, tape on",
    shape: `${ELEMENTS}`,
    options: {},
    trained: ["a"],
    flops: ELEMENTS,
    bytes: 12 * ELEMENTS,
    // One addition, rounded once, on every device.
    tolerance: 2 ** -24,
    calls: OPS,
    prepare: async (device) => {
      const inputs = { a: normals([ELEMENTS], 0), b: normals([ELEMENTS], 1) };
      const { a, b } = uploadAll(device, inputs, "f32");
      a.requiresGrad = true;
      const chain = (calls: number) => {
        let y = a;
        for (let i = 0; i < calls; i++) y = add(y, b);
        return y;
      };
      return {
        contender: timed(
          device,
          (calls) => scope(() => void chain(calls)),
          () => {
            a.dispose();
            b.dispose();
          },
        ),
        inputs: async () => inputs,
        results: async () => {
          const y = scope(() => chain(1));
          const values = (await y.data()) as Float32Array;
          y.dispose();
          return { y: values };
        },
      };
    },
  },
]);
