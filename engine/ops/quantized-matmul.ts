import { ACTIVATIONS, type Activation } from "../../kernels/matmul/activation.js";
import * as matmulKernels from "../../kernels/matmul/kernels.js";
import {
  BITS,
  GROUPS,
  type QuantizedBits,
  type QuantizedGroup,
  rowWords,
} from "../../kernels/quantized-matmul/format.js";
import * as kernels from "../../kernels/quantized-matmul/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { any, float, int, maybe } from "../dispatch/op-schema.js";
import { DTypeError, describe, GradientError, OptionError, ShapeError } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { activate } from "./activate.js";
import { groupedRows } from "./routing-lists.js";

export type { QuantizedBits, QuantizedGroup } from "../../kernels/quantized-matmul/format.js";

/** How the integers of a quantised matrix are stored: symmetric, a bf16 scale for each group of a row. */
export interface QuantizedFormat {
  /** Of an integer. */
  bits: QuantizedBits;
  /** Neighbouring elements of a row that share a scale. */
  group: QuantizedGroup;
}

/** What `quantizedMatmul` takes besides tensors. */
export interface QuantizedMatmulOptions extends QuantizedFormat {
  /** Applied to the sum with the bias. */
  activation?: Activation;
  /**
   * With `lists`, where x has a row for each token: how many experts a token has, as `topKRouting` was told; the rows are gathered
   * while they are multiplied. Absent or null where x has a row for each choice, as `dispatchTokens` orders them.
   */
  gather?: number | null;
}

export const quantizeOp = defineOp({
  name: "quantize",
  inputs: { weight: float("...", "N", "K") },

  forward({ weight }, { bits, group }: QuantizedFormat, { dims: { K }, run }) {
    checkFormat("quantize", { bits, group });
    if (K % group !== 0)
      throw new ShapeError(
        `quantize: ${describe("weight", weight.shape)} has rows of ${K}, which is no multiple of the group ${group}. ` +
          "Take another group, or leave this weight as it is.",
      );
    const lead = weight.shape.slice(0, -1);
    const W = rowWords(K, bits, group);
    const N = lead.reduce((a, b) => a * b, 1);
    return { y: run(kernels.quantize, { weight, y: [...lead, W] }, { N, K, W, bits, group }).y };
  },
});

/**
 * weight [..., N, K] as integers of 4 or 8 bits with a bf16 scale for each group along K: u32 words [..., N, W], for
 * `quantizedMatmul`. W = K bits / 32 + ⌈K / group / 2⌉: 4.5 bits an element for `{ bits: 4, group: 32 }`. Symmetric: w ≈ scale q,
 * with q in [-8, 7] or [-127, 127]. K is a multiple of the group, the weights are finite. No gradient.
 */
export function quantize(weight: Tensor, format: QuantizedFormat): Tensor {
  return quantizeOp({ weight }, format);
}

export const quantizedMatmulOp = defineOp({
  name: "quantizedMatmul",
  autocast: "low",
  inputs: {
    x: float("...", "K"),
    weight: any("...", "N", "W"),
    bias: maybe(float("...", "N")),
    lists: maybe(int("L")),
  },

  forward({ x, weight, bias, lists }, options: QuantizedMatmulOptions, { dims, recording, run }) {
    const { N, K, W } = dims;
    const { bits, group, gather = null } = options;
    const { E, T, R } = checkShapes(x, weight, bias, lists, options, dims);
    const L = lists?.size ?? 0;
    const activation = codeOf(options.activation);
    const split = recording && activation !== 0;
    const sizes = { R, E, N, K, W, L, bits, group, grouped: lists ? 1 : 0 };
    const { y } = run(
      kernels.forward,
      { x, weight, bias, lists, y: lists ? [R, N] : [...x.shape.slice(0, -1), N] },
      { ...sizes, T, gather: gather ?? 0, activation: split ? 0 : activation, hasBias: bias ? 1 : 0 },
    );
    const kept = { sizes, gather, activation, shape: x.shape };
    if (!split) return { y, saves: { weight, lists, preactivation: null as Tensor | null }, kept };
    return { y: activate(y, options.activation), saves: { weight, lists, preactivation: y as Tensor | null }, kept };
  },

  gradient({ weight, lists, preactivation }, dy, { kept, needs, run }) {
    const { sizes, gather, activation, shape } = kept;
    const { R, N } = sizes;
    if (needs.x && gather !== null)
      throw new GradientError(
        "quantizedMatmul: rows that were gathered give x no gradient. Put them in the grouped order first (dispatchTokens).",
      );
    if (needs.bias && lists)
      throw new GradientError("quantizedMatmul: biases of experts have no gradient here; bias.requiresGrad = false.");
    const d = preactivation
      ? run(
          matmulKernels.backwardActivation,
          { dy, preactivation, dpreactivation: dy.shape, dbias: null },
          { T: R, N, activation, hasDbias: 0 },
        ).dpreactivation
      : dy;
    const dx = needs.x ? run(kernels.backwardInput, { dy: d, weight, lists, dx: shape }, sizes).dx : null;
    const dbias = needs.bias
      ? run(matmulKernels.backwardBias, { dy: d, dbias: [N] }, { T: R, N, accumulate: 0 }).dbias
      : null;
    if (d !== dy) d.dispose();
    return { x: dx, bias: dbias };
  },
});

/**
 * y = act(x wᵀ + bias) with a weight that `quantize` made: x [..., K], weight u32 [N, W], bias [N]. The weight is frozen: gradients
 * flow to x and the bias. Accumulates in f32. One row is bound by reading the weight's bytes.
 *
 * With `lists`, rows have experts: x [rows, K], weight [E, N, W], bias [E, N]. `lists` is what `topKRouting` found, or offsets [E + 1]
 * alone (expert e has rows offsets[e] to offsets[e + 1]) where nothing is gathered; y [choices, N] is zero from the last row that was
 * kept on. Gathered rows give x no gradient, biases of experts get none.
 */
export function quantizedMatmul(
  x: Tensor,
  weight: Tensor,
  options: QuantizedMatmulOptions & { bias?: Tensor | null; lists?: Tensor | null },
): Tensor {
  const { bias = null, lists = null, ...rest } = options;
  return quantizedMatmulOp({ x, weight, bias, lists }, rest);
}

function checkFormat(op: string, { bits, group }: QuantizedFormat): void {
  if (!BITS.includes(bits)) throw new OptionError(`${op}: bits is ${bits}. Known: ${BITS.join(", ")}.`);
  if (!GROUPS.includes(group)) throw new OptionError(`${op}: group is ${group}. Known: ${GROUPS.join(", ")}.`);
}

function codeOf(activation: Activation = "none"): number {
  const code = ACTIVATIONS[activation];
  if (code === undefined)
    throw new OptionError(
      `quantizedMatmul: unknown activation "${activation}". Known: ${Object.keys(ACTIVATIONS).join(", ")}.`,
    );
  return code;
}

/** Experts (1 without lists), rows of x, rows of y. */
function checkShapes(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  lists: Tensor | null,
  options: QuantizedMatmulOptions,
  { K, N, W }: Readonly<Record<string, number>>,
): { E: number; T: number; R: number } {
  checkFormat("quantizedMatmul", options);
  const { bits, group, gather = null } = options;
  if (weight.dtype !== "u32")
    throw new DTypeError(
      `quantizedMatmul: ${describe("weight", weight.shape)} is ${weight.dtype}; quantize() makes u32.`,
    );
  if (K % group !== 0 || W !== rowWords(K, bits, group))
    throw new ShapeError(
      `quantizedMatmul: ${describe("weight", weight.shape)} has rows of ${W} words; ${K} elements of ${bits} bits in groups ` +
        `of ${group} are ${K % group === 0 ? rowWords(K, bits, group) : "no whole number of groups"}.`,
    );
  const rank = lists ? 3 : 2;
  if (weight.rank !== rank)
    throw new ShapeError(
      `quantizedMatmul: ${describe("weight", weight.shape)}: [${lists ? "E, N, W], with lists" : "N, W], without lists"}.`,
    );
  const E = lists ? weight.shape[0] : 1;
  if (bias && bias.size !== E * N)
    throw new ShapeError(`quantizedMatmul: ${describe("bias", bias.shape)} must have ${E * N} elements.`);
  const T = x.shape.slice(0, -1).reduce((a, b) => a * b, 1);
  if (!lists) {
    if (gather !== null) throw new OptionError("quantizedMatmul: gather needs lists.");
    return { E, T, R: T };
  }
  if (x.rank !== 2)
    throw new ShapeError(`quantizedMatmul: ${describe("x", x.shape)} must be [rows, K] where lists tell experts.`);
  return { E, T, R: groupedRows("quantizedMatmul", { x, weight, lists }, gather) };
}
