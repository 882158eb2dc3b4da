import * as kernels from "../../kernels/grouped-gemm/kernels.js";
import * as permute from "../../kernels/token-permute/kernels.js";
import { defineOp, type ForwardContext } from "../dispatch/define-op.js";
import { float, int, maybe } from "../dispatch/op-schema.js";
import { describe, ShapeError } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { groupedRows } from "./routing-lists.js";

/** What `groupedGemm` takes besides tensors. */
export interface GroupedGemmOptions {
  /**
   * Where x has a row for each token: how many experts a token has, as `topKRouting` was told; the rows are gathered while they
   * are multiplied. Absent where x has a row for each choice, as `dispatchTokens` orders them.
   */
  gather?: number | null;
  /** Whether weight is [E, N, K], as `nn.Linear` has it, or [E, K, N]. Default true. */
  transposed?: boolean;
}

/** Sizes of a grouped product, as its passes take them. */
export interface GroupedSizes {
  readonly T: number;
  readonly R: number;
  readonly E: number;
  readonly N: number;
  readonly K: number;
  readonly L: number;
  readonly transposed: 0 | 1;
  readonly choices: number;
  readonly gather: 0 | 1;
}

/** Sizes of x [T, K] by the weights of E experts; throws where they do not fit. */
export function groupedSizes(
  op: string,
  x: Tensor,
  weight: Tensor,
  lists: Tensor,
  { gather = null, transposed = true }: GroupedGemmOptions,
): GroupedSizes {
  const [T, K] = x.shape;
  const [E] = weight.shape;
  const [N, inner] = transposed ? weight.shape.slice(1) : weight.shape.slice(1).reverse();
  if (inner !== K)
    throw new ShapeError(
      `${op}: ${describe("x", x.shape)} and ${describe("weight", weight.shape)} do not fit: K=${K} and ${inner} must be equal; ` +
        `weight is [E, ${transposed ? "N, K" : "K, N"}].`,
    );
  const R = groupedRows(op, { x, weight, lists }, gather);
  const L = lists.size;
  return { T, R, E, N, K, L, transposed: transposed ? 1 : 0, choices: gather ?? 1, gather: gather === null ? 0 : 1 };
}

type Run = ForwardContext["run"];
const rowsOf = (sizes: GroupedSizes) => ({ ...sizes, O: sizes.N, activation: 0, gated: 0, hasPre: 0 });

/** y = x weight[e] + bias[e], added to `into` where that is given. */
export function product(
  run: Run,
  { x, weight, bias, lists }: { x: Tensor; weight: Tensor; bias: Tensor | null; lists: Tensor },
  sizes: GroupedSizes,
  into: Tensor | null = null,
): Tensor {
  const args = { x, weight, bias, lists, pre: null, y: into ?? [sizes.R, sizes.N] };
  const params = { ...rowsOf(sizes), accumulate: into ? 1 : 0, hasBias: bias ? 1 : 0 };
  return run(kernels.forward, args, params).y;
}

/** dy weight[e]ᵀ of each grouped row. */
export function rowGradient(
  run: Run,
  { dy, weight, lists }: { dy: Tensor; weight: Tensor; lists: Tensor },
  sizes: GroupedSizes,
  into: Tensor | null = null,
): Tensor {
  const args = { dy, weight, lists, dx: into ?? [sizes.R, sizes.K] };
  return run(kernels.backwardInput, args, { ...sizes, T: sizes.R, gather: 0, accumulate: into ? 1 : 0 }).dx;
}

/** Gradients of rows to those of the tokens they were gathered from; frees `rows`. */
export function tokenGradient(
  run: Run,
  rows: Tensor,
  lists: Tensor,
  { T, R, E, K, L, choices }: GroupedSizes,
  into: Tensor | null,
): Tensor {
  const args = { x: rows, weights: null, lists, y: into ?? [T, K] };
  const params = { T, E, K: choices, R, C: K, L, accumulate: into ? 1 : 0, hasWeights: 0 };
  const { y } = run(permute.combine, args, params);
  rows.dispose();
  return y;
}

/** What the gradients of weight and bias are made of, and where they go. */
interface WeightGradient {
  readonly dy: Tensor;
  readonly x: Tensor;
  readonly lists: Tensor;
  /** Of the rows, for the bias alone. */
  readonly weights?: Tensor | null;
  readonly needsBias: boolean;
  readonly into: Tensor | null;
  readonly intoBias: Tensor | null;
}

/** Σ over an expert's rows of dyᵀ x, and of dy. */
export function weightGradient(
  run: Run,
  { dy, x, lists, weights = null, needsBias, into, intoBias }: WeightGradient,
  { R, E, N, K, L, transposed, choices }: GroupedSizes,
  gathers: { dy?: boolean; x?: boolean },
): { dweight: Tensor; dbias: Tensor | null } {
  const args = {
    dy,
    x,
    lists,
    weights: needsBias ? weights : null,
    dweight: into ?? (transposed ? [E, N, K] : [E, K, N]),
    dbias: needsBias ? (intoBias ?? [E, N]) : null,
  };
  const found = run(kernels.backwardWeight, args, {
    D: dy.shape[0],
    S: x.shape[0],
    R,
    E,
    N,
    K,
    L,
    W: R,
    transposed,
    choices,
    gatherDy: gathers.dy ? 1 : 0,
    gatherX: gathers.x ? 1 : 0,
    accumulate: into ? 1 : 0,
    accumulateBias: intoBias ? 1 : 0,
    hasWeights: args.weights ? 1 : 0,
    hasDbias: needsBias ? 1 : 0,
  });
  return { dweight: found.dweight, dbias: needsBias ? found.dbias : null };
}

export const groupedGemmOp = defineOp({
  name: "groupedGemm",
  autocast: "low",
  inputs: {
    x: float("T", "K"),
    weight: float("E", "A", "B"),
    bias: maybe(float("E", "N")),
    lists: int("L"),
  },

  forward({ x, weight, bias, lists }, options: GroupedGemmOptions, { run }) {
    const sizes = groupedSizes("groupedGemm", x, weight, lists, options);
    checkBias("groupedGemm", "bias", bias, sizes.N);
    return { y: product(run, { x, weight, bias, lists }, sizes), saves: { x, weight, lists }, kept: sizes };
  },

  gradient({ x, weight, lists }, dy, { kept, needs, into, run }) {
    let dx: Tensor | null = null;
    if (needs.x && kept.gather)
      dx = tokenGradient(run, rowGradient(run, { dy, weight, lists }, kept), lists, kept, into.x);
    else if (needs.x) dx = rowGradient(run, { dy, weight, lists }, kept, into.x);
    if (!needs.weight && !needs.bias) return { x: dx };
    const rows = { dy, x, lists, needsBias: needs.bias, into: into.weight, intoBias: into.bias };
    const { dweight, dbias } = weightGradient(run, rows, kept, { x: kept.gather === 1 });
    if (!needs.weight) dweight.dispose();
    return { x: dx, weight: needs.weight ? dweight : null, bias: dbias };
  },
});

export function checkBias(op: string, name: string, bias: Tensor | null, N: number): void {
  if (bias && bias.shape[1] !== N)
    throw new ShapeError(`${op}: ${describe(name, bias.shape)} must have N=${N} elements for each expert.`);
}

/**
 * y[r] = x[row of r] · weight[e] + bias[e], with e the expert of grouped row r: one product for each expert over the rows that
 * chose it. weight [E, N, K], bias [E, N], `lists` as `topKRouting` found them, or offsets [E + 1] alone (expert e has rows
 * offsets[e] to offsets[e+1]) where nothing is gathered. y [choices, N], zero from the last row that was kept on.
 *
 * An expert without rows gets a gradient of zeros. Accumulates in f32. Gale et al.: MegaBlocks, arXiv 2211.15841.
 */
export function groupedGemm(
  x: Tensor,
  weight: Tensor,
  lists: Tensor,
  options: GroupedGemmOptions & { bias?: Tensor | null } = {},
): Tensor {
  const { bias = null, ...rest } = options;
  return groupedGemmOp({ x, weight, bias, lists }, rest);
}
