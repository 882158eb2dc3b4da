import { ceilDiv, type GpuLimits, type Tiles, type WgslSource } from "../../contract.js";
import productRegister from "./product-register.wgsl.js";
import productTiled from "./product-tiled.wgsl.js";

/** How a launch cuts a product [M, K] [K, N] for each of B batches. */
export interface ProductSize {
  readonly B?: number;
  readonly M: number;
  readonly N: number;
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
/** Constants of product-tiled.wgsl: within the limits that every WebGPU adapter grants. */
const TILED: ProductTile = { THREADS: 128, TILE_ROWS: 64, TILE_COLUMNS: 64 };

/** Null where the adapter takes the other variant. */
export function productTile(variant: ProductVariant, limits: GpuLimits): ProductTile | null {
  if (productVariant(limits) !== variant) return null;
  return variant === "product-register" ? REGISTER : TILED;
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
    tiles: (_: P, limits: GpuLimits) => productTile(variant, limits),
    grid: (params: P, { TILE_ROWS, TILE_COLUMNS }: Tiles) => {
      const { B = 1, M, N } = size(params);
      return [ceilDiv(N, TILE_COLUMNS), ceilDiv(M, TILE_ROWS), B] as const;
    },
    ...(buffers ? { buffers } : {}),
  }));
