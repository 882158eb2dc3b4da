import { EXPERT_ACTIVATIONS, type ExpertActivation } from "../../kernels/grouped-gemm/activation.js";
import * as kernels from "../../kernels/grouped-gemm/kernels.js";
import * as permute from "../../kernels/token-permute/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float, float32, int, maybe } from "../dispatch/op-schema.js";
import { describe, OptionError, ShapeError } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { checkBias, groupedSizes, product, rowGradient, tokenGradient, weightGradient } from "./grouped-gemm.js";

export type { ExpertActivation } from "../../kernels/grouped-gemm/activation.js";

/** What `expertMlp` takes besides tensors. */
export interface ExpertMlpOptions {
  /** Gated ones (swiglu, geglu, gegluTanh, reglu) take the first half of `up` as the gate. */
  activation: ExpertActivation;
  /** Whether the stacks of weights are [E, out, in], as `nn.Linear` has them, or [E, in, out]. Default true. */
  transposed?: boolean;
}

export const expertMlpOp = defineOp({
  name: "expertMlp",
  autocast: "low",
  inputs: {
    x: float("T", "C"),
    weights: float32("T", "K"),
    lists: int("L"),
    up: float("E", "A", "B"),
    upBias: maybe(float("E", "N")),
    down: float("E", "F", "G"),
    downBias: maybe(float("E", "C")),
  },

  forward({ x, weights, lists, up, upBias, down, downBias }, options: ExpertMlpOptions, context) {
    const { recording, run, dims } = context;
    const { activation, gated } = epilogueOf(options.activation);
    const { transposed = true } = options;
    const first = groupedSizes("expertMlp", x, up, lists, { gather: dims.K, transposed });
    if (gated && first.N % 2 !== 0)
      throw new ShapeError(
        `expertMlp: ${describe("up", up.shape)} has ${first.N} outputs; N must be even for ${options.activation}: half gate, half up.`,
      );
    const O = gated ? first.N / 2 : first.N;
    const second = { ...first, T: first.R, N: dims.C, K: O, gather: 0 as const };
    checkDown(up, down, transposed, [dims.C, O]);
    checkBias("expertMlp", "upBias", upBias, first.N);

    // Without an activation what is before it is the result.
    const keeps = recording && (activation !== 0 || gated === 1);
    const epilogue = { O, activation, gated };
    const inner = run(
      kernels.forward,
      { x, weight: up, bias: upBias, lists, pre: keeps ? [first.R, first.N] : null, y: [first.R, O] },
      { ...first, ...epilogue, accumulate: 0, hasBias: upBias ? 1 : 0, hasPre: keeps ? 1 : 0 },
    );
    const rows = product(run, { x: inner.y, weight: down, bias: downBias, lists }, second);
    const { T, R, E, L, choices } = first;
    const { y } = run(
      permute.combine,
      { x: rows, weights, lists, y: [T, dims.C] },
      { T, E, K: choices, R, C: dims.C, L, accumulate: 0, hasWeights: 1 },
    );
    rows.dispose();
    const pre = keeps ? inner.pre : recording ? inner.y : null;
    if (pre !== inner.y) inner.y.dispose();
    return { y, saves: { x, weights, lists, up, down, downBias, pre }, kept: { first, second, epilogue } };
  },

  gradient({ x, weights, lists, up, down, downBias, pre }, dout, { kept, needs, into, run }) {
    const { first, second, epilogue } = kept;
    const { R, E, L, choices, transposed } = first;
    const { dpre, a, dweights } = run(
      kernels.backwardActivation,
      {
        dout,
        weight: down,
        bias: downBias,
        lists,
        weights,
        pre: pre as Tensor,
        dpre: [R, first.N],
        a: [R, epilogue.O],
        dweights: weights.shape,
      },
      {
        T: first.T,
        R,
        E,
        N: first.N,
        C: second.N,
        L,
        W: R,
        transposed,
        choices,
        ...epilogue,
        hasBias: downBias ? 1 : 0,
      },
    );
    const found: Partial<Record<"x" | "weights" | "up" | "upBias" | "down" | "downBias", Tensor | null>> = {};
    if (needs.down || needs.downBias) {
      const rows = { dy: dout, x: a, lists, weights, needsBias: needs.downBias };
      const there = { into: into.down, intoBias: into.downBias };
      const { dweight, dbias } = weightGradient(run, { ...rows, ...there }, second, { dy: true });
      found.down = dweight;
      found.downBias = dbias;
    }
    a.dispose();
    if (needs.up || needs.upBias) {
      const rows = { dy: dpre, x, lists, needsBias: needs.upBias, into: into.up, intoBias: into.upBias };
      const { dweight, dbias } = weightGradient(run, rows, first, { x: true });
      found.up = dweight;
      found.upBias = dbias;
    }
    if (needs.x) {
      const rows = rowGradient(run, { dy: dpre, weight: up, lists }, first);
      dpre.dispose();
      found.x = tokenGradient(run, rows, lists, first, into.x);
    } else dpre.dispose();
    found.weights = dweights;
    // A pass makes two gradients where one was asked for.
    for (const name of ["weights", "up", "down"] as const)
      if (!needs[name]) {
        found[name]?.dispose();
        found[name] = null;
      }
    return found;
  },
});

/**
 * y[t] = Σ_k weights[t,k] · (act(x[t] upᵀ + upBias) downᵀ + downBias) of the k-th expert of token t: the experts of a mixture
 * as multi-layer perceptrons. x [T, C], weights f32 [T, K] and `lists` as `topKRouting` found them, up [E, N, C] with N the hidden width
 * (twice that for a gated activation: gate rows, then up rows), upBias [E, N], down [E, C, hidden], downBias [E, C]; y [T, C].
 *
 * Saves x, the value before the activation [T·K, N], weights and lists, nothing else: the result of the second product is not
 * needed. An expert without tokens gets gradients of zeros. Guo et al.: SonicMoE, arXiv 2512.14080.
 */
export function expertMlp(
  x: Tensor,
  routed: { weights: Tensor; lists: Tensor },
  experts: { up: Tensor; upBias?: Tensor | null; down: Tensor; downBias?: Tensor | null },
  options: ExpertMlpOptions,
): Tensor {
  const { up, upBias = null, down, downBias = null } = experts;
  return expertMlpOp({ x, weights: routed.weights, lists: routed.lists, up, upBias, down, downBias }, options);
}

function epilogueOf(name: ExpertActivation) {
  const epilogue = EXPERT_ACTIVATIONS[name];
  if (!epilogue)
    throw new OptionError(
      `expertMlp: unknown activation "${name}". Known: ${Object.keys(EXPERT_ACTIVATIONS).join(", ")}.`,
    );
  return epilogue;
}

function checkDown(up: Tensor, down: Tensor, transposed: boolean, [C, O]: readonly [number, number]): void {
  const needed = transposed ? [C, O] : [O, C];
  if (down.shape[1] !== needed[0] || down.shape[2] !== needed[1])
    throw new ShapeError(
      `expertMlp: ${describe("down", down.shape)} does not fit ${describe("up", up.shape)}: ` +
        `[${[down.shape[0], ...needed].join(", ")}] is needed.`,
    );
}
