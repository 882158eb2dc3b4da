import { ceilDiv, type FloatDType, type GpuLimits, type Tiles, type WgslSource } from "../../contract.js";
import { activationTile, type ProductSize, type ProductTile, productTile } from "./product.js";
import productRegister from "./product-register.wgsl.js";
import productRegisterFours from "./product-register-fours.wgsl.js";
import productTiled from "./product-tiled.wgsl.js";

/** Sizes that every product over grouped rows has: R rows of E experts. */
export interface Grouped {
  readonly R: number;
  readonly E: number;
}

/** Most tiles of `side` rows that the rows of E experts, and those that nobody kept, are cut into: row_tile in row-tiles.wgsl. */
export const rowTiles = ({ R, E }: Grouped, side: number) => Math.min(R, Math.floor((R + (E + 1) * (side - 1)) / side));

/** Rows of an expert where all have as many: what tiles are chosen for. */
const meanRows = ({ R, E }: Grouped) => ceilDiv(R, Math.max(1, Math.min(R, E)));

const VARIANTS = {
  "product-register": productRegister,
  "product-register-fours": productRegisterFours,
  "product-tiled": productTiled,
} as const;

/** What a product over grouped rows computes, but for B and M: those are the experts. A flag: the operand is gathered by token. */
export interface RoutedSize extends Omit<ProductSize, "B" | "M"> {
  readonly gatherLeft: number;
  readonly gatherRight?: number;
}

/** PAIRS of product-routed.wgsl: a thread of product-register* has fours of columns, one of product-tiled halves of a tile. */
function pairsOf(variant: keyof typeof VARIANTS, { paired }: RoutedSize, { TILE_COLUMNS }: ProductTile): number {
  if (!paired) return 0;
  return variant === "product-tiled" ? TILE_COLUMNS / 2 : 2;
}

/**
 * The launches of a kernel over the tiles of product-*.wgsl for each expert, one for each variant. `rows` are those of the
 * left operand of an expert, by default its share of the grouped rows.
 */
export const routedLaunches = /* @__NO_SIDE_EFFECTS__ */ <P extends Grouped>(
  source: WgslSource,
  size: (params: P) => RoutedSize,
  grid: (params: P, tile: Tiles) => readonly [number, number, number],
  rows: (params: P) => number = meanRows,
) =>
  (Object.keys(VARIANTS) as (keyof typeof VARIANTS)[]).map((variant) => ({
    source,
    common: [VARIANTS[variant]],
    tiles: (params: P, limits: GpuLimits, dtype: FloatDType) => {
      const product = { ...size(params), B: Math.min(params.R, params.E), M: rows(params) };
      const tile = productTile(variant, product, { ...limits, matrices: false }, dtype);
      const { gatherLeft, gatherRight = 0 } = product;
      const gathers = { GATHER_LEFT: gatherLeft, GATHER_RIGHT: gatherRight };
      return tile && { ...tile, ...gathers, PAIRS: pairsOf(variant, product, tile), ...activationTile(product) };
    },
    grid,
  }));

/** A grid of column tiles by the row tiles of all experts. */
export const routedGrid =
  /* @__NO_SIDE_EFFECTS__ */
    <P extends Grouped>(columns: (params: P) => number) =>
    (params: P, { TILE_ROWS, TILE_COLUMNS }: Tiles) =>
      [ceilDiv(columns(params), TILE_COLUMNS), rowTiles(params, TILE_ROWS), 1] as const;
