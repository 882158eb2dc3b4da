import type { Op } from "../../engine/dispatch/define-op.js";
import { groupedGemmOp } from "../../engine/ops/grouped-gemm.js";
import type { CaseTable, OpCase } from "../../kernels/case-table.js";
import { shapeOf } from "../../kernels/cost.js";
import { tables } from "../../kernels/grouped-gemm/cases.js";
import { type GroupedProduct, productCase } from "../../kernels/grouped-gemm/sized-cases.js";
import { MIXTURES } from "../../kernels/published-shapes.js";
import { listsOf } from "../../kernels/top-k-routing/sample.js";
import type { ShapeForm } from "../shapes/parse.js";
import { chosenExperts, reached, routingName, sharesOf } from "../shapes/routing.js";
import type { HostTensors } from "../task.js";
import { checkExperts } from "./layer.js";
import { benched, costOf, type OpRows, opTask } from "./op-task.js";
import { GRADIENTS, type Suite, TRAINED, typed } from "./suite.js";

const table = tables.find(({ op }) => op === "groupedGemm") as CaseTable;

const form: ShapeForm<GroupedProduct> = {
  form:
    "T,K,N,E,k or TxKxNxExk (tokens, summed over, columns, experts, experts of a token; 512x256x1408x4x2), with :grouped behind it " +
    "where rows are in groups already",
  pattern: /^(?<T>\d+)x(?<K>\d+)x(?<N>\d+)x(?<E>\d+)x(?<k>\d+)(?<grouped>:grouped)?$/,
  make({ T, K, N, E, k, grouped }) {
    checkExperts(Number(E), Number(k));
    const sizes = { T: Number(T), K: Number(K), N: Number(N), E: Number(E), k: Number(k) };
    return { ...sizes, grouped: grouped !== undefined };
  },
};

/** Both products of an expert: up, which gathers the tokens' rows, and down, on rows in groups. */
const products = (T: number, { d, n, E, k, activation }: (typeof MIXTURES)[string][number]): GroupedProduct[] => [
  { T, K: d, N: activation === "swiglu" ? 2 * n : n, E, k, grouped: false },
  { T, K: n, N: d, E, k, grouped: true },
];

/** Of a case in the table, whose lists are not taken: those of the routing are. */
function productOf(c: OpCase): GroupedProduct {
  const [rows, K] = shapeOf(c.inputs.x);
  const [E, N] = shapeOf(c.inputs.weight);
  const gather = c.options?.gather as number | undefined;
  // 2E + 1 places are of the experts, three of each row.
  const R = (shapeOf(c.inputs.lists)[0] - 2 * E - 1) / 3;
  return gather ? { T: rows, K, N, E, k: gather, grouped: false } : { T: R, K, N, E, k: 1, grouped: true };
}

const shapeText = ({ T, K, N, E, k, grouped }: GroupedProduct) =>
  `${T}x${K}x${N}x${E}x${k}${grouped ? ":grouped" : ""}`;

/** One product over rows by expert; its backward are the gradients of the rows and of the weights. */
export const groupedGemm: Suite<GroupedProduct> = {
  suite: "grouped-gemm",
  forms: [form],
  sets: Object.fromEntries(
    Object.entries(MIXTURES).map(([name, mixtures]) => [
      name,
      (tokens?: number) => mixtures.flatMap((mixture) => products(tokens ?? mixture.T, mixture)),
    ]),
  ),
  own: () => typed(benched(table).map(productOf)),
  passes: { own: () => TRAINED, possible: GRADIENTS },
  routed: true,
  task(shape, request) {
    const { T, K, N, E, k, grouped } = shape;
    const shares = sharesOf(request.routing, E, k);
    const rows: OpRows = {
      suite: "grouped-gemm",
      table,
      op: groupedGemmOp as unknown as Op,
      shapeText: () => shapeText(shape),
      output: () => [T * k, N],
      trained: ["x", "weight"],
      // Gradients of gathered rows, before they are added by token.
      kept: () => (grouped ? 0 : T * k * K),
      given: () => lists(shares, T, k),
    };
    const kind = routingName(request.routing);
    const name = `${T} tokens, ${k} of ${E} experts of ${K} × ${N}, ${kind === "file" ? "spread as counted" : kind}`;
    const cost = costOf(table, productCase(name, shape, reached(shares, T, k)), request);
    return { ...opTask(rows, productCase(name, shape), request), ...cost, routing: kind };
  },
};

function lists(shares: readonly number[], T: number, k: number): HostTensors {
  const chosen = chosenExperts(shares, T, k);
  const { shape, values } = listsOf({ E: shares.length, T, K: k, expert: (t, i) => chosen[t * k + i] }) as {
    shape: readonly number[];
    values: readonly number[];
  };
  return { lists: { shape, values: Int32Array.from(values) } };
}
