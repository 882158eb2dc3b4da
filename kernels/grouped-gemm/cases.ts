import type { CaseTable, InputSpec } from "../case-table.js";
import { BYTES, bytesOf, shapeOf, sizeOf } from "../cost.js";
import { mlps } from "./expert-cases.js";
import { adapters, products } from "./product-cases.js";

/** Rows that the experts are given, and how many experts have one: the weights of the others are not read. */
function loadOf(lists: InputSpec, E: number, R: number): { rows: number; busy: number } {
  if (!("shape" in lists && "values" in lists)) return { rows: R, busy: E };
  const { values } = lists;
  let busy = 0;
  for (let e = 0; e < E; e++) if (values[e + 1] > values[e]) busy++;
  return { rows: values[E], busy };
}

export const tables: CaseTable[] = [
  {
    op: "groupedGemm",
    tolerance: { f32: 5e-6, bf16: 1.6e-2, f16: 2e-3 },
    reason:
      "f32 sums of at most 704 terms of size 1/√K; half types round each result once, a token's gradient once for each row " +
      "(2^-9, 2^-12)",
    cases: products,
    cost: (c, pass, dtype = "f32") => {
      const { x, weight, bias, lists } = c.inputs;
      const { gather = 1, transposed } = c.options as { gather?: number; transposed: boolean };
      const [T, K] = shapeOf(x);
      const shape = shapeOf(weight);
      const [E, N] = [shape[0], shape[transposed ? 1 : 2]];
      const { rows, busy } = loadOf(lists, E, T * gather);
      const weights = bytesOf(weight, dtype);
      const biases = bytesOf(bias, dtype);
      const read = bytesOf(x, dtype) + (busy / E) * weights + bytesOf(lists, dtype);
      const y = T * gather * N * BYTES[dtype];
      return pass === "forward"
        ? { flops: 2 * rows * N * K, bytes: read + (busy / E) * biases + y }
        : { flops: 4 * rows * N * K, bytes: read + y + bytesOf(x, dtype) + weights + biases };
    },
  },
  {
    op: "loraGroupedGemm",
    tolerance: { f32: 5e-6, bf16: 3e-2, f16: 4e-3 },
    reason: "as groupedGemm; half types round h, the branch and the sum, and each row of a gradient twice",
    cases: adapters,
  },
  {
    op: "expertMlp",
    tolerance: { f32: 1e-5, bf16: 4e-2, f16: 5e-3 },
    reason:
      "two f32 products in a row of at most 1,280 terms of size 1/√K, activations of at most 2 ulp between them; half types round " +
      "the hidden values, their gradients and each row before rows are added (2^-9, 2^-12)",
    cases: mlps,
    cost: ({ inputs: { x, weights, lists, up, upBias, down, downBias } }, pass, dtype = "f32") => {
      const E = shapeOf(up)[0];
      const { rows, busy } = loadOf(lists, E, sizeOf(weights));
      const flops = 2 * rows * ((sizeOf(up) + sizeOf(down)) / E);
      const matrices = bytesOf(up, dtype) + bytesOf(down, dtype);
      const biases = bytesOf(upBias, dtype) + bytesOf(downBias, dtype);
      const tokens = bytesOf(x, dtype) + bytesOf(weights, dtype);
      const read = tokens + (busy / E) * matrices + bytesOf(lists, dtype);
      const y = bytesOf(x, dtype);
      return pass === "forward"
        ? { flops, bytes: read + (busy / E) * biases + y }
        : { flops: 2 * flops, bytes: read + y + tokens + matrices + biases };
    },
  },
];
