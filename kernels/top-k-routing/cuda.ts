/** The launches of cuda, which are many: kernels.ts is the declaration alone. */
import { type CudaLimits, ceilDiv } from "../contract.js";
import { PRIORITIES } from "./codes.js";

interface Sizes {
  readonly T: number;
  readonly E: number;
  readonly K: number;
}
interface ForwardSizes extends Sizes {
  readonly priority: number;
  readonly groups: number;
}

/** block_tokens of blocks.cuh. */
const blockTokens = (T: number) => (T > 8192 ? 64 : 32);
const blocks = ({ T }: Sizes) => Math.max(1, ceilDiv(T, blockTokens(T)));
const levels = ({ K, priority }: ForwardSizes) => (priority === PRIORITIES.choice ? K : 1);

/** Warps of a block, each with some rows of E in shared memory. By shape: they decide the order of sums. */
const warps = ({ E }: Sizes) => Math.max(1, Math.min(8, Math.floor(4096 / E)));

function fits(label: string, bytes: number, { E }: Sizes, { maxSharedBytes }: CudaLimits): number {
  if (bytes > maxSharedBytes)
    throw new RangeError(
      `${label}: the scores of ${E} experts take ${bytes} bytes of shared memory, and a block of this GPU has ${maxSharedBytes}. Use fewer experts, or route on the cpu device.`,
    );
  return bytes;
}

export const scratchBytes = (p: ForwardSizes) => {
  const queues = p.priority === PRIORITIES.random ? 2 * p.T * p.K : 0;
  return 4 * (blocks(p) * (p.E * (levels(p) + 2) + 1) + p.E + queues);
};

/** WarpScores of choose.cuh. */
const wordsOfWarp = ({ E, K, groups }: ForwardSizes) => 3 * E + groups + K;
const chooseBytes = (p: ForwardSizes) => 4 * ((levels(p) + 1) * p.E + warps(p) * (1 + wordsOfWarp(p)));
/** Places of place.cuh. */
const placeBytes = ({ E }: Sizes) => 4 * (4 * E + 1);

type Grid = readonly [number, number, number];
const line = (n: number): Grid => [n, 1, 1];
const ifByLot = ({ priority }: ForwardSizes, n: number) => line(priority === PRIORITIES.random ? n : 0);

export const forward = [
  {
    symbol: "top_k_routing_forward_choose",
    grid: (p: ForwardSizes) => line(blocks(p)),
    block: (p: ForwardSizes) => line(32 * warps(p)),
    sharedBytes: (p: ForwardSizes, limits: CudaLimits) => fits("top-k-routing/forward", chooseBytes(p), p, limits),
  },
  {
    symbol: "top_k_routing_forward_rank",
    grid: ({ E }: ForwardSizes) => line(ceilDiv(E, 32)),
    block: () => line(1024),
  },
  {
    symbol: "top_k_routing_forward_place",
    grid: (p: ForwardSizes) => line(blocks(p)),
    block: () => line(256),
    sharedBytes: (p: ForwardSizes, limits: CudaLimits) => fits("top-k-routing/forward", placeBytes(p), p, limits),
  },
  { symbol: "top_k_routing_forward_draw", grid: (p: ForwardSizes) => ifByLot(p, p.E), block: () => line(256) },
  {
    symbol: "top_k_routing_forward_weigh",
    grid: (p: ForwardSizes) => ifByLot(p, ceilDiv(p.T, 128)),
    block: () => line(128),
  },
];

export const backward = [
  {
    symbol: "top_k_routing_backward",
    grid: (p: Sizes) => line(ceilDiv(p.T, warps(p))),
    block: (p: Sizes) => line(32 * warps(p)),
    sharedBytes: (p: Sizes, limits: CudaLimits) =>
      fits("top-k-routing/backward", 4 * p.E * (1 + 2 * warps(p)), p, limits),
  },
];
