import { foldGrid, threads } from "../common/wgsl/grid.js";
import { ceilDiv, type GpuLimits } from "../contract.js";
import backwardWgsl from "./backward.wgsl.js";
import { PRIORITIES } from "./codes.js";
import forwardWgsl from "./forward.wgsl.js";
import forwardOrderWgsl from "./forward-order.wgsl.js";

type Numbers = Readonly<Record<"T" | "E" | "K" | "priority" | "countFirst", number>>;

/** Tokens of a workgroup. Each reads the counts of all, which fewer blocks shorten; by lot each also reads all choices. */
const blockTokens = ({ T, priority }: Numbers) => (T > 8192 || priority === PRIORITIES.random ? 256 : 64);
/** One at least, which writes the offsets. */
const blocks = (p: Numbers) => Math.max(1, ceilDiv(p.T, blockTokens(p)));
const tiles = (p: Numbers, { software }: GpuLimits) => ({ WORKGROUP: software ? 8 : 64, BLOCK: blockTokens(p) });

/** What common/wgsl/routing-blocks.wgsl lays out. */
export function scratchBytes(p: Numbers): number {
  const levels = p.priority === PRIORITIES.choice || p.countFirst ? p.K : 1;
  const lots = p.priority === PRIORITIES.random ? p.T * p.K : 0;
  return 4 * (p.T * p.E + (levels + 1) * blocks(p) * p.E + blocks(p) + lots);
}

export const forward = [
  {
    source: forwardWgsl,
    buffers: ["logits", "bias", "noise", "used", "random", "weights", "lists", "faults"],
    tiles,
    grid: (p: Numbers) => foldGrid(blocks(p)),
  },
  {
    source: forwardOrderWgsl,
    buffers: ["used", "weights", "lists", "sums"],
    tiles: (p: Numbers, limits: GpuLimits) => ({ ...tiles(p, limits), EXPERTS: 64 * ceilDiv(p.E, 64) }),
    grid: (p: Numbers) => foldGrid(blocks(p)),
  },
];

export const backward = [
  {
    .../* @__PURE__ */ threads<Readonly<Record<"T", number>>>(backwardWgsl, ({ T }) => T),
    buffers: ["logits", "lists", "dweights", "dsums", "dlogits"],
  },
];
