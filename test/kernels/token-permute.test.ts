import { describe } from "vitest";
import * as permute from "../../kernels/token-permute/kernels.js";
import { ADAPTERS } from "../support/devices.js";
import { computesF16, gpusTest } from "../support/gpus.js";
import { generator } from "../support/random.js";
import { routingOf } from "../support/routing.js";
import { checkPass } from "../support/run-pass.js";

const problems = [
  { name: "one element", T: 1, E: 1, K: 1, C: 1 },
  { name: "some dropped, odd width", T: 37, E: 4, K: 2, C: 67, capacity: 9 },
  { name: "an expert without a row", T: 21, E: 5, K: 3, C: 160, chosen: 4 },
];

describe.each([
  ["its own tiles", {}],
  ["the tiles of a GPU", ADAPTERS.hardware],
])("token-permute on GPUs with %s", (_, limits) => {
  for (const { name, T, E, K, C, capacity = T * K, chosen = E } of problems)
    for (const [dtype, tolerance] of [
      ["f32", 2e-6],
      ["f16", 2e-3],
    ] as const) {
      const random = generator(name);
      const normal = (length: number) => Float32Array.from({ length }, random.normal);
      const R = T * K;
      const { lists } = routingOf({ T, E, K, capacity, chosen }, name);
      const sizes = { T, E, K, R, C, L: lists.length };
      const check = (title: string, body: Parameters<typeof gpusTest>[1]) =>
        gpusTest(
          `${title}: ${name} ${dtype}`,
          async (gpu) => {
            if (dtype === "f32" || computesF16(gpu)) await body(gpu);
          },
          limits,
        );
      check("dispatch", (gpu) =>
        checkPass(gpu, permute.dispatch, { x: normal(T * C), lists, y: normal(R * C) }, sizes, 0, dtype),
      );
      for (const flag of [0, 1])
        check(`combine: weights ${flag}, adds ${1 - flag}`, (gpu) => {
          const arrays = { x: normal(R * C), weights: flag ? normal(R) : null, lists, y: normal(T * C) };
          const params = { ...sizes, accumulate: 1 - flag, hasWeights: flag };
          return checkPass(gpu, permute.combine, arrays, params, tolerance, dtype);
        });
      check("backward-combine", (gpu) => {
        const arrays = { dy: normal(T * C), x: normal(R * C), weights: normal(R), lists };
        const outputs = { dx: normal(R * C), dweights: normal(R) };
        return checkPass(gpu, permute.backwardCombine, { ...arrays, ...outputs }, sizes, tolerance, dtype);
      });
    }
});
