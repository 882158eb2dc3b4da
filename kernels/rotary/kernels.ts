import { foldGrid } from "../common/wgsl/grid.js";
import { ALL_FLOATS, type CudaLimits, ceilDiv, optional, pass, read, rowGrain, write } from "../contract.js";
import forwardWgsl from "./forward.wgsl.js";
import * as reference from "./reference.js";

/** theta^(-2 / rotaryDim), the ratio of the frequencies of neighbours, as 64 bits after the point. */
function ratioWords(theta: number, rotaryDim: number) {
  if (!(theta >= 1)) throw new RangeError(`rotary/forward: theta ${theta} is below 1, which webgpu does not take`);
  const scaled = Math.min(theta ** (-2 / Math.max(2, rotaryDim)), 1 - 2 ** -53) * 2 ** 32;
  const high = Math.floor(scaled);
  return { RATIO_HIGH: high, RATIO_LOW: Math.floor((scaled - high) * 2 ** 32) };
}

const THREADS = 256;

interface Sizes {
  readonly B: number;
  readonly L: number;
  readonly H: number;
  readonly D: number;
  readonly rotaryDim: number;
  readonly hasPositions: number;
}

/** Units of eight elements where the rows consist of such, of two otherwise. */
const unitOf = ({ D, rotaryDim }: Sizes) => (D % 8 === 0 && rotaryDim % 8 === 0 ? 8 : 2);

/**
 * A thread for each unit of a position; where those are few, the heads are shared out among several, each of which computes
 * the angles.
 */
const overUnits = (symbol: string, unit: number) => ({
  symbol,
  grid: (p: Sizes, { multiprocessors }: CudaLimits): readonly [number, number, number] => {
    if (unitOf(p) !== unit) return [0, 1, 1];
    const blocks = ceilDiv((p.hasPositions ? p.B * p.L : p.L) * ceilDiv(p.D, unit), THREADS);
    return [blocks, Math.min(p.H, ceilDiv(4 * multiprocessors, Math.max(1, blocks))), 1];
  },
  block: () => [THREADS, 1, 1] as const,
});

/** A rotation of pairs; its gradient is the inverse rotation of dy. x and y must not be the same memory. */
export const forward = pass({
  label: "rotary/forward",
  buffers: { x: read("B L H D"), positions: optional(read("B L", "i32")), y: write("B L H D") },
  params: {
    B: "u32",
    L: "u32",
    H: "u32",
    D: "u32",
    /** Even, at most D: the elements after it are copied. */
    rotaryDim: "u32",
    /** Pairs are (2i, 2i + 1) when 1, (i, i + rotaryDim / 2) when 0. */
    interleaved: "u32",
    /** Position of the first of L tokens, where `positions` is absent. */
    start: "u32",
    hasPositions: "u32",
    inverse: "u32",
    theta: "f32",
  },
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [
      {
        symbol: "rotary_forward",
        // Without given positions the batch shares the angles of a position.
        cells: ({ B, L, hasPositions }) => (hasPositions ? B * L : L),
        grain: ({ B, H, D, rotaryDim, hasPositions }) => rowGrain((hasPositions ? 1 : B) * H * D + 4 * rotaryDim),
      },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [
      {
        source: forwardWgsl,
        tiles: ({ theta, rotaryDim }) => ({ WORKGROUP: 64, ...ratioWords(theta, rotaryDim) }),
        grid: ({ B, L, D, rotaryDim, hasPositions }, { WORKGROUP }) =>
          foldGrid(ceilDiv((hasPositions ? B * L : L) * (D - rotaryDim / 2), WORKGROUP)),
      },
    ],
  },
  cuda: { dtypes: ALL_FLOATS, launches: [overUnits("rotary_forward", 8), overUnits("rotary_forward_pairs", 2)] },
});
