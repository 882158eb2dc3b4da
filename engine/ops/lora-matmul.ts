import * as kernels from "../../kernels/lora-matmul/kernels.js";
import * as product from "../../kernels/matmul/kernels.js";
import { defineOp, type ForwardContext } from "../dispatch/define-op.js";
import { float, maybe } from "../dispatch/op-schema.js";
import { run as dispatch } from "../dispatch/run.js";
import { describe, OptionError, ShapeError } from "../errors.js";
import { sizeOf } from "../shape.js";
import type { Tensor } from "../tensor.js";

/** How much of the adapter's branch counts. */
export interface LoraMatmulOptions {
  /** alpha / r. */
  scale: number;
  /** Probability with which an element of the branch's input is dropped. Default 0. */
  dropout?: number;
}

export const loraMatmulOp = defineOp({
  name: "loraMatmul",
  autocast: "low",
  inputs: {
    x: float("...", "K"),
    weight: float("N", "K"),
    a: float("R", "K"),
    b: float("N", "R"),
    bias: maybe(float("N")),
  },

  forward({ x, weight, a, b, bias }, { scale, dropout = 0 }: LoraMatmulOptions, { device, dims: { N, K, R }, run }) {
    if (!(dropout >= 0 && dropout < 1)) throw new OptionError(`loraMatmul: dropout ${dropout} is not in [0, 1).`);
    const T = sizeOf(x.shape.slice(0, -1));
    const params = { T, N, K, R, scale, dropout, sequence: dropout > 0 ? device.random.next() : 0 };
    const args = { x, weight, a, b, bias, y: [...x.shape.slice(0, -1), N], h: [T, R] };
    const { y, h } = run(kernels.forward, args, { ...params, hasBias: bias ? 1 : 0 });
    return { y, saves: { x, weight, a, b, h }, kept: params };
  },

  gradient({ x, weight, a, b, h }, dy, { kept, needs, into, run }) {
    let dx: Tensor | null = null;
    let da: Tensor | null = null;
    let db: Tensor | null = null;
    const adapter = needs.a || needs.b;
    if (needs.x || adapter) {
      const args = { dy, weight, a, b, dx: needs.x ? x.shape : null, g: [kept.T, kept.R] };
      const found = run(kernels.backwardInput, args, { ...kept, hasDx: needs.x ? 1 : 0 });
      if (needs.x) dx = found.dx;
      if (adapter) {
        const args = { dy, x, h, g: found.g, da: into.a ?? a.shape, db: into.b ?? b.shape };
        const accumulate = { accumulateA: into.a ? 1 : 0, accumulateB: into.b ? 1 : 0 };
        ({ da, db } = run(kernels.backwardAdapter, args, { ...kept, ...accumulate }));
      }
      found.g.dispose();
    }
    return {
      x: dx,
      a: da,
      b: db,
      weight: needs.weight ? weightGradient(dy, x, weight, run) : null,
      bias: needs.bias ? biasGradient(dy, run) : null,
    };
  },
});

/** The gradients of a trained base layer are those of a plain one. */
function weightGradient(dy: Tensor, x: Tensor, weight: Tensor, run: ForwardContext["run"]): Tensor {
  const [N, K] = weight.shape;
  const T = sizeOf(x.shape.slice(0, -1));
  const shape = { B: 1, M: N, N: K, K: T, transposeA: 1, transposeB: 0, batchedA: 0, batchedB: 0 };
  const rest = { activation: 0, accumulate: 0, hasBias: 0, hasPreactivation: 0 };
  const args = { a: dy, b: x, bias: null, preactivation: null, y: weight.shape };
  return run(product.forward, args, { ...shape, ...rest }).y;
}

function biasGradient(dy: Tensor, run: ForwardContext["run"]): Tensor {
  const N = dy.shape[dy.rank - 1];
  const T = sizeOf(dy.shape.slice(0, -1));
  return run(product.backwardBias, { dy, dbias: [N] }, { T, N, accumulate: 0 }).dbias;
}

/**
 * y = x weightᵀ + bias + scale · (drop(x) aᵀ) bᵀ in one pass over x. x [..., K], weight [N, K], a [R, K], b [N, R],
 * bias [N]. Saves x and h = drop(x) aᵀ [tokens, R]; the dropout mask is regenerated. Hu et al., arXiv 2106.09685.
 */
export function loraMatmul(
  x: Tensor,
  weight: Tensor,
  a: Tensor,
  b: Tensor,
  options: LoraMatmulOptions & { bias?: Tensor | null },
): Tensor {
  return loraMatmulOp({ x, weight, a, b, bias: options.bias ?? null }, options);
}

/**
 * weight += scale · b a, in place: folds an adapter into the weight; a negative scale takes it out again. weight may have
 * more dimensions (a convolution's kernel): its first is N, the others together are K.
 */
export function loraMerge(weight: Tensor, a: Tensor, b: Tensor, scale: number): void {
  const [N, R] = [weight.shape[0], a.shape[0]];
  const K = sizeOf(weight.shape.slice(1));
  if (a.size !== R * K || b.size !== N * R)
    throw new ShapeError(
      `loraMerge: ${describe("a", a.shape)} and ${describe("b", b.shape)} do not fit ${describe("weight", weight.shape)}: ` +
        `[R=${R}, K=${K}] and [N=${N}, R=${R}] are needed.`,
    );
  dispatch(weight.device, kernels.merge, { weight, a, b }, { N, K, R, scale });
}
