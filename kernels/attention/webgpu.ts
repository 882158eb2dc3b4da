/**
 * The launches of WebGPU, which binds eight storage buffers to a dispatch at most and no buffer twice if it is written.
 * So each binds what it needs; the prefix is copied into scratch, where it takes no binding of its own; and dk and dv,
 * which one packed buffer may hold, are launches of their own.
 *
 * Two variants of each kernel: from storage for adapters that run on the CPU, whose subgroups share loads; in tiles of
 * workgroup memory for GPUs. Adapters on the CPU have their own for narrow heads, too, and for a backward pass whose weights
 * fit into scratch.
 */
import { foldGrid } from "../common/wgsl/grid.js";
import {
  type Cut,
  ceilDiv,
  type GpuLimits,
  type Tiles,
  type WgslLaunch,
  type WgslLaunches,
  type WgslSource,
} from "../contract.js";
import backwardDeltaWgsl from "./backward-delta.wgsl.js";
import backwardKeyWgsl from "./backward-key.wgsl.js";
import backwardKeyTiledWgsl from "./backward-key-tiled.wgsl.js";
import backwardKeyWeightedWgsl from "./backward-key-weighted.wgsl.js";
import backwardQueryWgsl from "./backward-query.wgsl.js";
import backwardQueryTiledWgsl from "./backward-query-tiled.wgsl.js";
import backwardQueryWeightedWgsl from "./backward-query-weighted.wgsl.js";
import backwardWeightsWgsl from "./backward-weights.wgsl.js";
import forwardWgsl from "./forward.wgsl.js";
import forwardFewWgsl from "./forward-few.wgsl.js";
import forwardFewJoinWgsl from "./forward-few-join.wgsl.js";
import forwardNarrowWgsl from "./forward-narrow.wgsl.js";
import forwardTiledWgsl from "./forward-tiled.wgsl.js";
import prefixWgsl from "./prefix.wgsl.js";
import { type params, rows, type Sizes } from "./problem.js";

type Launch = WgslLaunch<typeof params>;
type Pass = WgslLaunches<typeof params>;

const NONE = [0, 0, 0] as const;
/** Rows of a thread from storage; side of a workgroup's tile in workgroup memory. */
const FOUR = 4;
const TILE = 32;

/** A load of four lanes serves all: a subgroup must have four. Its rows are of one head, so more threads idle on few rows. */
const fromStorage = ({ software, subgroupSize }: GpuLimits) => software && subgroupSize >= 4;

/**
 * From storage. TILE, the rows whose weights a thread keeps in private memory, is long enough to make the update of its
 * result cheap. In both variants head widths share a pipeline in steps of 64: compiling one takes a second or more.
 */
export function storageTiles({ D, P }: Sizes, limits: GpuLimits): Tiles | null {
  return fromStorage(limits) ? { WORKGROUP: 8, HEAD: 64 * ceilDiv(D, 64), TILE: 64, PREFIX: P > 0 ? 1 : 0 } : null;
}

/** In workgroup memory: CHUNK columns of both operands at a time, 14,336 bytes with 16, 18,944 with 32. */
export function workgroupTiles({ D }: Sizes, limits: GpuLimits): Tiles | null {
  if (fromStorage(limits)) return null;
  return { HEAD: 64 * ceilDiv(D, 64), CHUNK: limits.maxWorkgroupStorage >= 32768 ? 32 : 16 };
}

/** Up to so many rows per key/value head, attention is bound by reading k and v: the keys are split over workgroups. */
const SPLIT_ROWS = 8;
const SPLIT_KEYS = 64;
const few = (p: Sizes) => rows(p) <= SPLIT_ROWS && p.P + p.S > SPLIT_KEYS;
/** Workgroups of forward-few: four rows and a split each. */
const fewGroups = (p: Sizes) => p.B * p.G * ceilDiv(rows(p), FOUR) * ceilDiv(p.P + p.S, SPLIT_KEYS);

/** By batch rows of what is large; lse and mask are bound whole. */
const batchCut = ({ L, H, D, qPitch, kvPitch, kvCapacity }: Sizes): Cut<typeof params> => {
  const [queries, keys, results] = [L * qPitch, kvCapacity * kvPitch, L * H * D];
  return {
    over: "B",
    along: { q: queries, dq: queries, k: keys, dk: keys, v: keys, dv: keys, y: results, dy: results },
  };
};
/** Launches that may be cut by batch rows, and whose rows each know their place. */
const byBatch = (launches: readonly Launch[]): Launch[] =>
  launches.map((launch) => ({ ...launch, cut: batchCut, places: ["B"] }));
/** Launches that sum over the batch: they cannot be cut. */
const overBatch = (launches: readonly Launch[]): Launch[] => launches.map((launch) => ({ ...launch, places: ["B"] }));

const prefixSize = ({ P, G, D }: Sizes) => 2 * P * G * D;

/** A function, not a constant: a launch belongs to one pass, whose buffers it names. */
const packPrefix = (): Launch => ({
  source: prefixWgsl,
  buffers: ["prefixKeys", "prefixValues"],
  tiles: () => ({ WORKGROUP: 64 }),
  grid: ({ P, G, D }, { WORKGROUP }) => (P === 0 ? NONE : foldGrid(ceilDiv(P * G * D, WORKGROUP))),
});

/** Both variants of a kernel whose rows are `count` times `length`: a workgroup owns rows of one length. */
const variants = (
  [storage, tiled]: readonly [WgslSource, WgslSource],
  buffers: readonly string[],
  size: (p: Sizes) => readonly [count: number, length: number],
  more: Tiles = {},
): Launch[] => [
  {
    source: storage,
    buffers,
    tiles: (p, limits) => withMore(storageTiles(p, limits), more),
    grid: (p, { WORKGROUP }) => {
      const [count, length] = size(p);
      return foldGrid(count * ceilDiv(length, FOUR * WORKGROUP));
    },
  },
  {
    source: tiled,
    buffers,
    tiles: (p, limits) => withMore(workgroupTiles(p, limits), more),
    grid: (p) => {
      const [count, length] = size(p);
      return foldGrid(count * ceilDiv(length, TILE));
    },
  },
];

const withMore = (tiles: Tiles | null, more: Tiles) => tiles && { ...tiles, ...more };

/** A launch from storage of `count` times `length` rows, of the sizes and adapters that `when` says. */
const ofFours = (
  source: WgslSource,
  buffers: readonly string[],
  size: (p: Sizes) => readonly [count: number, length: number],
  when: (p: Sizes, limits: GpuLimits) => boolean,
  more: (p: Sizes) => Tiles,
): Launch => ({
  source,
  buffers,
  tiles: (p, limits) => (when(p, limits) ? { WORKGROUP: 8, ...more(p) } : null),
  grid: (p, { WORKGROUP }) => {
    const [count, length] = size(p);
    return foldGrid(count * ceilDiv(length, FOUR * WORKGROUP));
  },
});

/** The launches, but where `when` says that another takes their place. */
const unless = (when: (p: Sizes, limits: GpuLimits) => boolean, launches: readonly Launch[]): Launch[] =>
  launches.map((launch) => ({
    ...launch,
    tiles: (p, limits, dtype) => (when(p, limits) ? null : (launch.tiles?.(p, limits, dtype) ?? null)),
  }));

const prefixTile = ({ P }: Sizes) => ({ PREFIX: P > 0 ? 1 : 0 });

/** Head widths of which a thread holds rows in variables. */
const isNarrow = ({ D }: Sizes, limits: GpuLimits) => fromStorage(limits) && D <= 16;
const FORWARD = ["q", "k", "v", "mask", "random", "y", "lse"];
const forwardRows = (p: Sizes) => (few(p) ? ([0, 0] as const) : ([p.B * p.H, p.L] as const));

export const forward: Pass = {
  dtypes: ["f32", "f16"],
  scratchBytes: (p) => 4 * (prefixSize(p) + (few(p) ? fewGroups(p) * FOUR * (p.D + 2) : 0)),
  launches: [
    packPrefix(),
    ...byBatch([
      ...unless(isNarrow, variants([forwardWgsl, forwardTiledWgsl], FORWARD, forwardRows)),
      ofFours(forwardNarrowWgsl, FORWARD, forwardRows, isNarrow, prefixTile),
      {
        source: forwardFewWgsl,
        buffers: ["q", "k", "v", "mask", "random"],
        tiles: ({ D }) => ({ WORKGROUP: SPLIT_KEYS, HEAD: 64 * ceilDiv(D, 64) }),
        grid: (p) => (few(p) ? foldGrid(fewGroups(p)) : NONE),
      },
      {
        source: forwardFewJoinWgsl,
        buffers: ["y", "lse"],
        tiles: () => ({ WORKGROUP: 64, KEYS: SPLIT_KEYS }),
        grid: (p) => (few(p) ? foldGrid(p.B * p.H * p.L) : NONE),
      },
    ]),
  ],
};

/** Weights of all rows and their gradients, which spare three products of eight where an adapter on the CPU keeps them. */
const MOST_WEIGHT_BYTES = 2 ** 25;
const weightBytes = ({ B, H, L, P, S }: Sizes) => 2 * 4 * B * H * L * (P + S);
const keepsWeights = (p: Sizes, limits: GpuLimits) =>
  fromStorage(limits) && weightBytes(p) <= Math.min(MOST_WEIGHT_BYTES, limits.maxBinding / 2);

const KEY = [backwardKeyWgsl, backwardKeyTiledWgsl] as const;
/** What backward-key computes: the gradient of values or of keys. */
const OF = { values: 0, keys: 1 };
/** Columns of a thread in a product of kept weights. */
const columnParts = ({ D }: Sizes) => ceilDiv(D, 16);

const ofKeys = (gradient: string, of: number) => [
  ...unless(
    keepsWeights,
    variants(KEY, ["dy", "q", "k", "v", "mask", "random", "lse", gradient], ({ B, G, S }) => [B * G, S], {
      OF: of,
      PREFIX: 0,
    }),
  ),
  ofFours(
    backwardKeyWeightedWgsl,
    [of === OF.values ? "dy" : "q", gradient],
    (p) => [p.B * p.G * columnParts(p), p.S],
    keepsWeights,
    () => ({ OF: of, PREFIX: 0 }),
  ),
];

const ofPrefix = (gradient: string, of: number) => [
  ...unless(
    keepsWeights,
    variants(KEY, ["dy", "q", "prefixKeys", "prefixValues", "mask", "random", "lse", gradient], ({ G, P }) => [G, P], {
      OF: of,
      PREFIX: 1,
    }),
  ),
  ofFours(
    backwardKeyWeightedWgsl,
    [of === OF.values ? "dy" : "q", gradient],
    (p) => [p.G * columnParts(p), p.P],
    keepsWeights,
    () => ({ OF: of, PREFIX: 1 }),
  ),
];

export const backward: Pass = {
  dtypes: ["f32", "f16"],
  scratchBytes: (p, limits) => 4 * (prefixSize(p) + p.B * p.H * p.L) + (keepsWeights(p, limits) ? weightBytes(p) : 0),
  launches: [
    packPrefix(),
    ...byBatch([
      {
        source: backwardDeltaWgsl,
        buffers: ["dy", "y"],
        tiles: () => ({ WORKGROUP: 64 }),
        grid: ({ B, H, L }, { WORKGROUP }) => foldGrid(ceilDiv(B * H * L, WORKGROUP)),
      },
      ...unless(
        keepsWeights,
        variants(
          [backwardQueryWgsl, backwardQueryTiledWgsl],
          ["dy", "q", "k", "v", "mask", "random", "lse", "dq"],
          ({ B, H, L }) => [B * H, L],
        ),
      ),
      ofFours(
        backwardWeightsWgsl,
        ["dy", "q", "k", "v", "mask", "random", "lse"],
        ({ B, H, L }) => [B * H, L],
        keepsWeights,
        prefixTile,
      ),
      ofFours(
        backwardQueryWeightedWgsl,
        ["k", "dq"],
        (p) => [p.B * p.H * columnParts(p), p.L],
        keepsWeights,
        prefixTile,
      ),
      ...ofKeys("dk", OF.keys),
      ...ofKeys("dv", OF.values),
    ]),
    ...overBatch([...ofPrefix("dprefixKeys", OF.keys), ...ofPrefix("dprefixValues", OF.values)]),
  ],
};
