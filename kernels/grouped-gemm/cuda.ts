import { type GemmShape, gemmLaunches, type NumbersLaunch } from "../common/cuda/gemm.js";
import { type CudaLimits, ceilDiv, type FloatDType } from "../contract.js";

/** The launches of cuda. Each block finds the expert of its tile in the offsets. */

type Numbers<Names extends string> = Readonly<Record<Names, number>>;
type Product = Numbers<"R" | "E" | "N" | "K" | "transposed">;

/** Most tiles of `side` rows that the rows of E experts, and those that nobody kept, are cut into: row_tile in row-tiles.cuh. */
const rowTiles = ({ R, E }: Numbers<"R" | "E">, side: number) =>
  Math.min(R, Math.floor((R + (E + 1) * (side - 1)) / side));

/** A product of R rows with the weights of their experts: tiles are chosen as if all experts had as many rows. */
const routed = <P extends Numbers<"R" | "E">>(
  symbol: string,
  size: (params: P) => Pick<GemmShape, "N" | "K" | "lines" | "longEpilogue">,
): NumbersLaunch<P>[] =>
  gemmLaunches(
    symbol,
    (p: P): GemmShape => {
      const B = Math.max(1, Math.min(p.R, p.E));
      return { ...size(p), B, M: ceilDiv(p.R, B) };
    },
    (p, { rows, columns }) => rowTiles(p, rows) * ceilDiv(size(p).N, columns),
  );

export const forward = /* @__PURE__ */ routed(
  "grouped_gemm_forward",
  ({ N, K, O, transposed }: Product & Numbers<"O" | "gated">) => ({ N, K, lines: [K, transposed ? K : N, O] }),
);

export const backwardInput = /* @__PURE__ */ routed("grouped_gemm_backward_input", ({ N, K, transposed }: Product) => ({
  N: K,
  K: N,
  lines: [N, transposed ? K : N],
}));

type Activation = Numbers<"R" | "E" | "C" | "O" | "W" | "transposed">;

/** ROW_SUM_COLUMNS of gemm.cuh. */
const SUM_COLUMNS = 32;
/** JOIN_CHOICES and JOIN_THREADS of backward-activation.cu. */
const JOIN_CHOICES = 8;
const JOIN_THREADS = 256;

/** Sums of ⟨g, a⟩. */
export const backwardActivationBytes = ({ R, O }: Activation) => 4 * R * ceilDiv(O, SUM_COLUMNS);

export const backwardActivation = [
  .../* @__PURE__ */ routed("grouped_gemm_backward_activation", ({ C, O, transposed }: Activation) => ({
    N: O,
    K: C,
    lines: [C, transposed ? O : C],
    // The weight of its choice.
    rowBytes: 4,
    longEpilogue: true,
  })),
  {
    symbol: "grouped_gemm_backward_activation_join",
    grid: ({ W }: Activation) => [ceilDiv(W, JOIN_CHOICES), 1, 1] as const,
    block: () => [JOIN_THREADS, 1, 1] as const,
  },
];

/** BIAS_THREADS and BIAS_ACROSS of backward-weight.cu. */
const BIAS_THREADS = 256;
const BIAS_ACROSS = 16;

export const backwardWeight = [
  .../* @__PURE__ */ gemmLaunches(
    "grouped_gemm_backward_weight",
    ({ R, E, N, K, transposed }: Product): GemmShape => {
      const [M, columns] = transposed ? [N, K] : [K, N];
      return { B: E, M, N: columns, K: ceilDiv(R, Math.max(1, E)), lines: [N, K], deep: true };
    },
    ({ E, N, K, transposed }, { rows, columns }) =>
      E * ceilDiv(transposed ? N : K, rows) * ceilDiv(transposed ? K : N, columns),
  ),
  {
    symbol: "grouped_gemm_backward_weight_bias",
    grid: ({ E, N, hasDbias }: Numbers<"E" | "N" | "hasDbias">, _: CudaLimits, dtype: FloatDType) =>
      [hasDbias ? ceilDiv(N, BIAS_ACROSS * (dtype === "f32" ? 4 : 8)) : 0, E, 1] as const,
    block: () => [BIAS_THREADS, 1, 1] as const,
  },
];
