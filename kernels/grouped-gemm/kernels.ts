/**
 * A product for each expert over the rows that chose it. E experts, R grouped rows, T rows before gathering, N columns, K what is
 * summed over; L elements of lists (kernels/top-k-routing/lists.ts; offsets alone do where nothing is gathered). `choices`
 * is the number of experts of a token: row r of the group comes from row order[r] / choices. O is N, or N / 2 of a gated activation, whose
 * first N / 2 columns are the gate: y = act(gate) ∘ up. Rows from offsets[E] on are zero.
 */
import { ALL_FLOATS, ceilDiv, optional, pass, read, rowGrain, update, write } from "../contract.js";
import * as cuda from "./cuda.js";
import { rowCells, rowPlan, type WeightShape, weightCells } from "./plan.js";
import * as reference from "./reference.js";
import * as webgpu from "./webgpu.js";

const sizes = { T: "u32", R: "u32", E: "u32", N: "u32", K: "u32", L: "u32" } as const;
/** 1: weight is [E,N,K], as nn.Linear has it; 0: [E,K,N]. */
const layout = { transposed: "u32" } as const;
const gather = { choices: "u32", gather: "u32" } as const;
const epilogue = {
  O: "u32",
  /** kernels/matmul/activation.ts */
  activation: "u32",
  gated: "u32",
} as const;

/** pre[r] = x[row] weight[e] + bias[e], y[r] = act(pre[r]). Without an activation there is no pre, and y is the sum. */
export const forward = pass({
  label: "grouped-gemm/forward",
  buffers: {
    x: read("T K"),
    weight: read("E N K"),
    bias: optional(read("E N")),
    lists: read("L", "i32"),
    /** The value before the activation, which the backward pass needs; with an activation and `accumulate`, what is added to. */
    pre: optional(update("R N")),
    /** Without an activation and with `accumulate`, added to. */
    y: update("R O"),
  },
  params: { ...sizes, ...layout, ...gather, ...epilogue, accumulate: "u32", hasBias: "u32", hasPre: "u32" },
  reference: reference.forward,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "grouped_gemm_forward", cells: rowCells }] },
  webgpu: { dtypes: ["f32", "f16"], launches: webgpu.forward },
  cuda: { dtypes: ALL_FLOATS, launches: cuda.forward },
});

/** dx[r] = dy[row] weight[e]ᵀ, for each grouped row: token-permute/combine adds up those of a token. */
export const backwardInput = pass({
  label: "grouped-gemm/backward-input",
  buffers: {
    /** Gathered as x of the forward is, where `gather`. */
    dy: read("T N"),
    weight: read("E N K"),
    lists: read("L", "i32"),
    dx: update("R K"),
  },
  params: { ...sizes, ...layout, ...gather, accumulate: "u32" },
  reference: reference.backwardInput,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "grouped_gemm_backward_input", cells: ({ R, E, N, K }) => rowCells({ R, E, N: K, K: N }) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: webgpu.backwardInput },
  cuda: { dtypes: ALL_FLOATS, launches: cuda.backwardInput },
});

/** The product of backward-activation. */
const gradientShape = ({ R, E, O, C }: Record<"R" | "E" | "O" | "C", number>) => ({ R, E, N: O, K: C });
/** Partial sums of ⟨g, a⟩: lanes of a row, and choices of a cell that joins them. */
const DOT_LANES = 16;
const JOIN_CHOICES = 64;

/**
 * Back through the second product of an expert and its activation, from the gradient of the layer's output, without that product's
 * result: with e, t, k of row r, w = weights[t,k] and g = dout[t] weight[e] (weight as [E,C,O]),
 * dweights[t,k] = ⟨g, a⟩ + ⟨dout[t], bias[e]⟩, zero where dropped; dpre = act′(pre) ∘ (w g); a = w act(pre), what the gradient of the
 * weight multiplies. C columns of the output, N = O or 2 O those of pre. Arithmetic of Guo et al., SonicMoE, arXiv 2512.14080.
 */
export const backwardActivation = pass({
  label: "grouped-gemm/backward-activation",
  buffers: {
    dout: read("T C"),
    /** [E,C,O] where `transposed`, else [E,O,C]. */
    weight: read("E C O"),
    bias: optional(read("E C")),
    lists: read("L", "i32"),
    weights: read("W", "f32"),
    pre: read("R N"),
    dpre: write("R N"),
    a: write("R O"),
    dweights: write("W", "f32"),
  },
  params: {
    T: "u32",
    R: "u32",
    E: "u32",
    N: "u32",
    C: "u32",
    L: "u32",
    /** T · choices: R. */
    W: "u32",
    ...layout,
    choices: "u32",
    ...epilogue,
    hasBias: "u32",
  },
  reference: reference.backwardActivation,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => 4 * DOT_LANES * p.R * rowPlan(gradientShape(p)).colCells,
    launches: [
      { symbol: "grouped_gemm_backward_activation", cells: (p) => rowCells(gradientShape(p)) },
      {
        symbol: "grouped_gemm_backward_activation_join",
        cells: ({ R }) => ceilDiv(R, JOIN_CHOICES),
        grain: ({ C, hasBias }) => rowGrain(JOIN_CHOICES * (hasBias ? C : DOT_LANES)),
      },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    scratchBytes: webgpu.backwardActivationBytes,
    launches: webgpu.backwardActivation,
  },
  cuda: {
    dtypes: ALL_FLOATS,
    scratchBytes: cuda.backwardActivationBytes,
    launches: cuda.backwardActivation,
  },
});

const weightShape = ({ R, E, N, K, transposed }: Record<"R" | "E" | "N" | "K" | "transposed", number>): WeightShape =>
  transposed ? { R, E, rows: N, cols: K } : { R, E, rows: K, cols: N };

/**
 * dweight[e] = Σ over the rows of e of dy[row]ᵀ x[row], dbias[e] = Σ s dy[row] with s = weights of the row, or 1 without them.
 * An expert without rows gets zeros (or what was there, when accumulating).
 */
export const backwardWeight = pass({
  label: "grouped-gemm/backward-weight",
  buffers: {
    /** [T,N] where `gatherDy`, else [R,N]. */
    dy: read("D N"),
    /** [T,K] where `gatherX`, else [R,K]. */
    x: read("S K"),
    lists: read("L", "i32"),
    /** Those of the choices: for the bias alone. */
    weights: optional(read("W", "f32")),
    dweight: update("E N K"),
    dbias: optional(update("E N")),
  },
  params: {
    D: "u32",
    S: "u32",
    R: "u32",
    E: "u32",
    N: "u32",
    K: "u32",
    L: "u32",
    W: "u32",
    ...layout,
    choices: "u32",
    gatherDy: "u32",
    gatherX: "u32",
    accumulate: "u32",
    accumulateBias: "u32",
    hasWeights: "u32",
    hasDbias: "u32",
  },
  reference: reference.backwardWeight,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "grouped_gemm_backward_weight", cells: (p) => weightCells(weightShape(p)) }],
  },
  webgpu: { dtypes: ["f32", "f16"], launches: webgpu.backwardWeight },
  cuda: { dtypes: ALL_FLOATS, launches: cuda.backwardWeight },
});
