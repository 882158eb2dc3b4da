import { ceilDiv, type GpuLimits, type Tiles, type WgslSource } from "../../contract.js";
import productRegister from "./product-register.wgsl.js";
import productTiled from "./product-tiled.wgsl.js";

/** How a launch cuts a product [M, K] [K, N] for each of B batches. */
export interface ProductSize {
  readonly B?: number;
  readonly M: number;
  readonly N: number;
  /** Whether rows of both operands, as they are stored, are multiples of four elements. */
  readonly aligned: boolean;
}

const VARIANTS = { "product-register": productRegister, "product-tiled": productTiled } as const;

export type ProductVariant = keyof typeof VARIANTS;

/** product-register.wgsl broadcasts four elements, so a subgroup must have four lanes. Barriers are dear where it is used. */
export const productVariant = ({ software, subgroupSize }: GpuLimits): ProductVariant =>
  software && subgroupSize >= 4 ? "product-register" : "product-tiled";

/** Rows and columns of the tile of one workgroup. */
export interface ProductTile extends Tiles {
  readonly THREADS: number;
  readonly TILE_ROWS: number;
  readonly TILE_COLUMNS: number;
}

/** Constants of product-register.wgsl: more rows spill, fewer load more; more threads waste them on a narrow product. */
const REGISTER: ProductTile = { THREADS: 16, TILE_ROWS: 16, TILE_COLUMNS: 64 };
/** A tile of product-tiled.wgsl: its side, and what a thread has of it. */
interface Tiling {
  readonly side: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly buffers: number;
}

/** Largest first. The last is within what every adapter grants. */
const TILINGS: readonly Tiling[] = [
  { side: 128, rows: 8, columns: 8, depth: 16, buffers: 2 },
  { side: 64, rows: 8, columns: 4, depth: 16, buffers: 1 },
  { side: 32, rows: 4, columns: 4, depth: 32, buffers: 1 },
];
/** Workgroups that keep a large GPU busy: a larger tile must leave as many. */
const ENOUGH_GROUPS = 256;

/** Bytes of workgroup memory of product-tiled.wgsl. */
const tileBytes = ({ side, depth, buffers }: Tiling) => 16 * buffers * depth * (side / 2 + 1);

function tiled({ B = 1, M, N, aligned }: ProductSize, limits: GpuLimits): ProductTile {
  const { side, rows, columns, depth, buffers } =
    TILINGS.find((tiling) => {
      const { side, rows, columns } = tiling;
      const fits =
        tileBytes(tiling) <= limits.maxWorkgroupStorage && side ** 2 <= rows * columns * limits.maxWorkgroupInvocations;
      return fits && B * ceilDiv(M, side) * ceilDiv(N, side) >= ENOUGH_GROUPS;
    }) ?? TILINGS[TILINGS.length - 1];
  return {
    THREADS: side ** 2 / rows / columns,
    TILE_ROWS: side,
    TILE_COLUMNS: side,
    THREAD_ROWS: rows,
    THREAD_COLUMNS: columns,
    DEPTH: depth,
    BUFFERS: buffers,
    ALIGNED: aligned ? 1 : 0,
  };
}

/** Null where the adapter takes the other variant. */
export function productTile(variant: ProductVariant, size: ProductSize, limits: GpuLimits): ProductTile | null {
  if (productVariant(limits) !== variant) return null;
  return variant === "product-register" ? REGISTER : tiled(size, limits);
}

/** The two launches of a kernel over the tiles of product-*.wgsl. One of them runs, as the adapter decides. */
export const productLaunches = /* @__NO_SIDE_EFFECTS__ */ <P>(
  source: WgslSource,
  size: (params: P) => ProductSize,
  buffers?: readonly string[],
) =>
  (Object.keys(VARIANTS) as ProductVariant[]).map((variant) => ({
    source,
    common: [VARIANTS[variant]],
    tiles: (params: P, limits: GpuLimits) => productTile(variant, size(params), limits),
    grid: (params: P, { TILE_ROWS, TILE_COLUMNS }: Tiles) => {
      const { B = 1, M, N } = size(params);
      return [ceilDiv(N, TILE_COLUMNS), ceilDiv(M, TILE_ROWS), B] as const;
    },
    ...(buffers ? { buffers } : {}),
  }));
