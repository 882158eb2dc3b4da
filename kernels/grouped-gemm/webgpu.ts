import { foldGrid } from "../common/wgsl/grid.js";
import { routedGrid, routedLaunches } from "../common/wgsl/routing.js";
import { rowThreads } from "../common/wgsl/rows.js";
import { ceilDiv, type GpuLimits } from "../contract.js";
import backwardActivationWgsl from "./backward-activation.wgsl.js";
import backwardActivationJoinWgsl from "./backward-activation-join.wgsl.js";
import backwardInputWgsl from "./backward-input.wgsl.js";
import backwardWeightWgsl from "./backward-weight.wgsl.js";
import forwardWgsl from "./forward.wgsl.js";

/** The launches of webgpu. A stack of weights is bound in parts of whole experts: each computes the rows of its own. */

type Numbers<Names extends string> = Readonly<Record<Names, number>>;
type Product = Numbers<"R" | "E" | "N" | "K" | "transposed">;

const stack = (weight: string, elements: number) => ({ over: "E", along: { [weight]: elements } }) as const;
const places = ["E"] as const;
/** Whether rows of x and of the weights, as they are stored, are multiples of four elements. */
const fours = (x: number, weights: number) => x % 4 === 0 && weights % 4 === 0;

export const forward = /* @__PURE__ */ routedLaunches(
  forwardWgsl,
  ({ N, K, O, transposed, gather, gated, activation }: Product & Numbers<"O" | "gather" | "gated" | "activation">) => ({
    ...{ N, K, gatherLeft: gather, paired: gated === 1, activation },
    ...{ aligned: fours(K, transposed ? K : O), leftAlongK: true, rightAlongK: transposed === 1 },
  }),
  routedGrid(({ N }) => N),
).map((launch) => ({ ...launch, places, cut: ({ N, K }: Product) => stack("weight", N * K) }));

export const backwardInput = /* @__PURE__ */ routedLaunches(
  backwardInputWgsl,
  ({ N, K, transposed, gather }: Product & Numbers<"gather">) => ({
    ...{ N: K, K: N, gatherLeft: gather },
    ...{ aligned: fours(N, transposed ? K : N), leftAlongK: true, rightAlongK: transposed === 0 },
  }),
  routedGrid(({ K }) => K),
).map((launch) => ({ ...launch, places, cut: ({ N, K }: Product) => stack("weight", N * K) }));

type Activation = Numbers<"R" | "E" | "C" | "O" | "W" | "transposed" | "activation">;

/** Sums of four columns of ⟨g, a⟩. */
export const backwardActivationBytes = ({ R, O }: Activation) => 4 * R * ceilDiv(O, 4);

export const backwardActivation = [
  .../* @__PURE__ */ routedLaunches(
    backwardActivationWgsl,
    ({ C, O, transposed, activation }: Activation) => ({
      ...{ N: O, K: C, gatherLeft: 1, activation },
      ...{ aligned: fours(C, transposed ? O : C), leftAlongK: true, rightAlongK: transposed === 0 },
    }),
    routedGrid(({ O }) => O),
  ).map((launch) => ({
    ...launch,
    places,
    buffers: ["dout", "weight", "lists", "weights", "pre", "dpre", "a"],
    cut: ({ C, O }: Activation) => stack("weight", C * O),
  })),
  {
    source: backwardActivationJoinWgsl,
    buffers: ["dout", "bias", "lists", "dweights"],
    tiles: ({ O }: Activation, limits: GpuLimits) => ({ WORKGROUP: rowThreads(ceilDiv(O, 4), limits) }),
    grid: ({ W }: Activation) => foldGrid(W),
  },
];

export const backwardWeight = /* @__PURE__ */ routedLaunches(
  backwardWeightWgsl,
  ({ N, K, gatherDy, gatherX }: Product & Numbers<"gatherDy" | "gatherX">) => ({
    // Its k are the rows of an expert.
    ...{ N: K, K: null, gatherLeft: gatherDy, gatherRight: gatherX },
    ...{ aligned: fours(N, K), leftAlongK: false, rightAlongK: false },
  }),
  // The first columns sum the bias: they are there where K is 0, too.
  ({ E, N, K }, { TILE_ROWS, TILE_COLUMNS }) => [Math.max(1, ceilDiv(K, TILE_COLUMNS)), ceilDiv(N, TILE_ROWS), E],
  ({ N }) => N,
).map((launch) => ({ ...launch, places, cut: ({ N, K }: Product) => stack("dweight", N * K) }));
