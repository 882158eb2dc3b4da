import { defineOp } from "../dispatch/define-op.js";
import { float, int, maybe } from "../dispatch/op-schema.js";
import type { Tensor } from "../tensor.js";
import {
  checkBias,
  type GroupedGemmOptions,
  type GroupedSizes,
  groupedSizes,
  product,
  rowGradient,
  tokenGradient,
  weightGradient,
} from "./grouped-gemm.js";
import { scale as scaled } from "./unary.js";

/** What `loraGroupedGemm` takes besides tensors. */
export interface LoraGroupedGemmOptions extends Omit<GroupedGemmOptions, "transposed"> {
  /** alpha / r. */
  scale: number;
}

export const loraGroupedGemmOp = defineOp({
  name: "loraGroupedGemm",
  autocast: "low",
  inputs: {
    x: float("T", "K"),
    weight: float("E", "N", "K"),
    a: float("E", "R", "K"),
    b: float("E", "N", "R"),
    bias: maybe(float("E", "N")),
    lists: int("L"),
  },

  forward({ x, weight, a, b, bias, lists }, { scale, ...options }: LoraGroupedGemmOptions, { dims, run }) {
    const main = groupedSizes("loraGroupedGemm", x, weight, lists, options);
    checkBias("loraGroupedGemm", "bias", bias, main.N);
    const narrow = { ...main, N: dims.R };
    const wide: GroupedSizes = { ...main, T: main.R, K: dims.R, gather: 0 };
    const raw = product(run, { x, weight: a, bias: null, lists }, narrow);
    const h = scaled(raw, scale);
    raw.dispose();
    const branch = product(run, { x: h, weight: b, bias: null, lists }, wide);
    const y = product(run, { x, weight, bias, lists }, main, branch);
    return { y, saves: { x, weight, a, b, lists, h }, kept: { main, narrow, wide, scale } };
  },

  gradient({ x, weight, a, b, lists, h }, dy, { kept: { main, narrow, wide, scale }, needs, into, run }) {
    const gathers = { x: main.gather === 1 };
    const raw = rowGradient(run, { dy, weight: b, lists }, wide);
    const g = scaled(raw, scale);
    raw.dispose();
    const of = (name: "weight" | "a" | "b", from: Tensor, by: Tensor, sizes: GroupedSizes, gather: { x: boolean }) => {
      if (!needs[name]) return null;
      const rows = { dy: from, x: by, lists, needsBias: false, into: into[name], intoBias: null };
      return weightGradient(run, rows, sizes, gather).dweight;
    };
    const da = of("a", g, x, narrow, gathers);
    const db = of("b", dy, h, wide, { x: false });
    let [dweight, dbias, dx]: (Tensor | null)[] = [null, null, null];
    if (needs.weight || needs.bias) {
      const rows = { dy, x, lists, needsBias: needs.bias, into: into.weight, intoBias: into.bias };
      const found = weightGradient(run, rows, main, gathers);
      dbias = found.dbias;
      if (needs.weight) dweight = found.dweight;
      else found.dweight.dispose();
    }
    if (needs.x) {
      const base = rowGradient(run, { dy, weight, lists }, main, gathers.x ? null : into.x);
      const rows = rowGradient(run, { dy: g, weight: a, lists }, narrow, base);
      dx = gathers.x ? tokenGradient(run, rows, lists, main, into.x) : rows;
    }
    g.dispose();
    return { x: dx, weight: dweight, a: da, b: db, bias: dbias };
  },
});

/**
 * y[r] = x[row of r] weight[e]ᵀ + bias[e] + scale · (x aᵀ[e]) bᵀ[e]: `groupedGemm` with a low-rank adapter for each expert. weight
 * [E, N, K], a [E, R, K], b [E, N, R], bias [E, N]; `lists` and `gather` as there. Saves x and scale · x aᵀ [choices, R].
 */
export function loraGroupedGemm(
  x: Tensor,
  weight: Tensor,
  a: Tensor,
  b: Tensor,
  lists: Tensor,
  options: LoraGroupedGemmOptions & { bias?: Tensor | null },
): Tensor {
  const { bias = null, ...rest } = options;
  return loraGroupedGemmOp({ x, weight, a, b, bias, lists }, rest);
}
