import { ACTIVATIONS, type Activation } from "../../kernels/matmul/activation.js";
import * as kernels from "../../kernels/matmul/kernels.js";
import { defineOp, type ForwardContext } from "../dispatch/define-op.js";
import { float, maybe } from "../dispatch/op-schema.js";
import { describe, OptionError, ShapeError } from "../errors.js";
import { type Shape, sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";

export type { Activation } from "../../kernels/matmul/activation.js";

/** What `matmul` takes besides tensors. */
export interface MatmulOptions {
  /** Uses aᵀ, bᵀ: the last two dimensions swapped. */
  transposeA?: boolean;
  /** As `transposeA`. */
  transposeB?: boolean;
  /** Applied to the sum with the bias. */
  activation?: Activation;
}

/** Sizes of a product after folding: B products of [M, K] by [K, N]. */
interface Plan {
  readonly B: number;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly batchedA: boolean;
  readonly batchedB: boolean;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

export const matmulOp = defineOp({
  name: "matmul",
  autocast: "low",
  inputs: { a: float("..."), b: float("..."), bias: maybe(float("N")) },

  forward({ a, b, bias }, options: MatmulOptions, { recording, run }) {
    const { plan, shape } = planOf(a, b, options);
    if (bias && bias.size !== plan.N)
      throw new ShapeError(`matmul: ${describe("bias", bias.shape)} must have N=${plan.N} elements.`);
    const activation = codeOf(options.activation);
    const preactivation = recording && activation !== 0 ? shape : null;
    const results = run(
      kernels.forward,
      { a, b, bias, y: shape, preactivation },
      {
        ...flags(plan),
        activation,
        accumulate: 0,
        hasBias: bias ? 1 : 0,
        hasPreactivation: preactivation ? 1 : 0,
      },
    );
    return {
      y: results.y,
      saves: { a, b, preactivation: preactivation ? results.preactivation : null },
      kept: { plan, activation },
    };
  },

  gradient({ a, b, preactivation }, dy, { kept, needs, into, run }) {
    const { plan, activation } = kept;
    const { N, K, M, B, batchedA, batchedB, transposeA, transposeB } = plan;
    const rows = B * M;
    let d = dy;
    let dbias: Tensor | null = null;
    if (preactivation) {
      const hasDbias = needs.bias ? 1 : 0;
      const found = run(
        kernels.backwardActivation,
        { dy, preactivation, dpreactivation: dy.shape, dbias: needs.bias ? [N] : null },
        { T: rows, N, activation, hasDbias },
      );
      d = found.dpreactivation;
      dbias = needs.bias ? found.dbias : null;
    } else if (needs.bias) {
      dbias = run(
        kernels.backwardBias,
        { dy, dbias: into.bias ?? [N] },
        { T: rows, N, accumulate: into.bias ? 1 : 0 },
      ).dbias;
    }
    // dA = dY op(B)ᵀ and dB = op(A)ᵀ dY, each transposed as a whole where the operand was.
    const da = !needs.a
      ? null
      : transposeA
        ? product(
            run,
            b,
            d,
            { B, M: K, N: M, K: N, batchedA: batchedB, batchedB: true, transposeA: transposeB, transposeB: true },
            a.shape,
            batchedA,
            into.a,
          )
        : product(
            run,
            d,
            b,
            { B, M, N: K, K: N, batchedA: true, batchedB, transposeA: false, transposeB: !transposeB },
            a.shape,
            batchedA,
            into.a,
          );
    const db = !needs.b
      ? null
      : transposeB
        ? product(
            run,
            d,
            a,
            { B, M: N, N: K, K: M, batchedA: true, batchedB: batchedA, transposeA: true, transposeB: transposeA },
            b.shape,
            batchedB,
            into.b,
          )
        : product(
            run,
            a,
            d,
            { B, M: K, N, K: M, batchedA, batchedB: true, transposeA: !transposeA, transposeB: false },
            b.shape,
            batchedB,
            into.b,
          );
    if (d !== dy) d.dispose();
    return { a: da, b: db, bias: dbias };
  },
});

/**
 * y = act(op(a) op(b) + bias), with op the transpose where asked. a [..., M, K]; b [K, N], or [..., K, N] with the leading
 * dimensions of a (either may be shared by all batches by having two dimensions); bias [N]. Accumulates in f32.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions & { bias?: Tensor | null } = {}): Tensor {
  return matmulOp({ a, b, bias: options.bias ?? null }, options);
}

/** y = act(x weightᵀ + bias): x [..., K], weight [N, K] as PyTorch keeps it, bias [N]. */
export function linear(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: { activation?: Activation } = {},
): Tensor {
  return matmulOp({ a: x, b: weight, bias }, { transposeB: true, activation: options.activation });
}

function codeOf(activation: Activation = "none"): number {
  const code = ACTIVATIONS[activation];
  if (code === undefined)
    throw new OptionError(`matmul: unknown activation "${activation}". Known: ${Object.keys(ACTIVATIONS).join(", ")}.`);
  return code;
}

function planOf(a: Tensor, b: Tensor, options: MatmulOptions): { plan: Plan; shape: Shape } {
  const transposeA = options.transposeA ?? false;
  const transposeB = options.transposeB ?? false;
  if (a.rank < (transposeA || b.rank > 2 ? 2 : 1) || b.rank < 2)
    throw new ShapeError(
      `matmul: ${describe("a", a.shape)} and ${describe("b", b.shape)}: two dimensions or more are needed (a vector is [1, K]).`,
    );
  const inner = transposeA ? a.shape[a.rank - 2] : a.shape[a.rank - 1];
  const K = transposeB ? b.shape[b.rank - 1] : b.shape[b.rank - 2];
  const N = transposeB ? b.shape[b.rank - 2] : b.shape[b.rank - 1];
  if (inner !== K)
    throw new ShapeError(
      `matmul: inner sizes differ: ${describe("a", a.shape)}${transposeA ? "ᵀ" : ""} has K=${inner}, ` +
        `${describe("b", b.shape)}${transposeB ? "ᵀ" : ""} has K=${K}; K must be equal.`,
    );
  const leadA = a.shape.slice(0, -2);
  const leadB = b.shape.slice(0, -2);
  if (leadB.length === 0 && !transposeA) {
    // b is shared and rows of a follow each other: one tall product.
    const M = K === 0 ? a.shape.slice(0, -1).reduce((x, y) => x * y, 1) : a.size / K;
    const plan = { B: 1, M, N, K, batchedA: false, batchedB: false, transposeA, transposeB };
    return { plan, shape: [...a.shape.slice(0, -1), N] };
  }
  if (leadA.length > 0 && leadB.length > 0 && !sameShape(leadA, leadB))
    throw new ShapeError(
      `matmul: batches differ: ${describe("a", a.shape)} and ${describe("b", b.shape)}; the leading dimensions must be ` +
        "equal. Use expand() where one of them should be repeated.",
    );
  const lead = leadA.length > 0 ? leadA : leadB;
  const M = transposeA ? a.shape[a.rank - 1] : a.shape[a.rank - 2];
  const B = lead.reduce((x, y) => x * y, 1);
  const plan = { B, M, N, K, batchedA: leadA.length > 0, batchedB: leadB.length > 0, transposeA, transposeB };
  return { plan, shape: [...lead, M, N] };
}

const flags = (p: Plan) => ({
  B: p.B,
  M: p.M,
  N: p.N,
  K: p.K,
  transposeA: p.transposeA ? 1 : 0,
  transposeB: p.transposeB ? 1 : 0,
  batchedA: p.batchedA ? 1 : 0,
  batchedB: p.batchedB ? 1 : 0,
});

/** A gradient product: into `existing` where there is one; summed over the batch where the operand was shared by it. */
function product(
  run: ForwardContext["run"],
  a: Tensor,
  b: Tensor,
  plan: Plan,
  shape: Shape,
  batched: boolean,
  existing: Tensor | null,
): Tensor {
  const rest = { activation: 0, hasBias: 0, hasPreactivation: 0 };
  if (batched || plan.B === 1) {
    const args = { a, b, bias: null, preactivation: null, y: existing ?? shape };
    return run(kernels.forward, args, { ...flags(plan), ...rest, accumulate: existing ? 1 : 0 }).y;
  }
  const size = plan.M * plan.N;
  const args = { a, b, bias: null, preactivation: null, y: [plan.B, size] };
  const each = run(kernels.forward, args, { ...flags(plan), ...rest, accumulate: 0 }).y;
  const params = { T: plan.B, N: size, accumulate: existing ? 1 : 0 };
  const sum = run(kernels.backwardBias, { dy: each, dbias: existing ?? shape }, params).dbias;
  each.dispose();
  return sum;
}
