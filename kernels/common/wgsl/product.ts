import { ceilDiv, type FloatDType, type GpuLimits, type Tiles, type WgslSource } from "../../contract.js";
import productMatrix from "./product-matrix.wgsl.js";
import productRegister from "./product-register.wgsl.js";
import productRegisterFours from "./product-register-fours.wgsl.js";
import productStrides from "./product-strides.wgsl.js";
import productTiled from "./product-tiled.wgsl.js";

/** How a launch cuts a product [M, K] [K, N] for each of B batches. */
export interface ProductSize {
  readonly B?: number;
  readonly M: number;
  readonly N: number;
  /** Null where only the device knows it. */
  readonly K: number | null;
  /** Whether rows of both operands, as they are stored, are multiples of four elements. */
  readonly aligned: boolean;
  /** Whether rows of the operand as it is stored run along k: the left one's do unless it is transposed. */
  readonly leftAlongK: boolean;
  readonly rightAlongK: boolean;
  /** A gated product: a thread has both columns of each output, the gate's and that of what it multiplies. */
  readonly paired?: boolean;
  /** Of the epilogue, where the kernel has one (kernels/matmul/activation.ts). */
  readonly activation?: number;
}

const VARIANTS = {
  "product-register": productRegister,
  "product-register-fours": productRegisterFours,
  "product-tiled": productTiled,
  "product-matrix": productMatrix,
} as const;

export type ProductVariant = keyof typeof VARIANTS;

/** Constants of product-matrix.wgsl. */
const MATRIX: ProductTile = { THREADS: 128, TILE_ROWS: 128, TILE_COLUMNS: 128 };

/**
 * Whether product-matrix.wgsl is faster: on an H100 it takes less than half the time at 2048³, as much at 1024³, where its
 * tiles are too few, and more at 4096³, where the operands outgrow the cache.
 */
function favoursMatrices({ B = 1, M, N, K }: ProductSize): boolean {
  return K !== null && B * ceilDiv(M, 128) * ceilDiv(N, 128) >= 200 && 2 * B * (M + N) * K <= 2 ** 25;
}

/**
 * Whether product-register-fours.wgsl can load the operands: the columns of a pair do not lie side by side. It takes half the
 * time on lavapipe (eight lanes); SwiftShader (four) loads a vector by its elements.
 */
const inFours = ({ aligned, paired, rightAlongK }: ProductSize, { subgroupSize }: GpuLimits) =>
  subgroupSize >= 8 && aligned && (rightAlongK || !paired);

/** Quads share elements in product-register*.wgsl, so a subgroup must have four lanes. Barriers are dear where they are used. */
export function productVariant(size: ProductSize, limits: GpuLimits, dtype: FloatDType): ProductVariant {
  const fits = limits.matrices && limits.maxWorkgroupStorage >= 24_576;
  if (dtype === "f16" && fits && favoursMatrices(size)) return "product-matrix";
  if (!limits.software || limits.subgroupSize < 4) return "product-tiled";
  return inFours(size, limits) ? "product-register-fours" : "product-register";
}

/** Rows and columns of the tile of one workgroup. */
export interface ProductTile extends Tiles {
  readonly THREADS: number;
  readonly TILE_ROWS: number;
  readonly TILE_COLUMNS: number;
}

/**
 * Constants of product-register*.wgsl: more columns waste threads on a narrow product; smaller tiles load more, larger ones
 * spill where a subgroup has eight lanes. With four (SwiftShader) sums are in memory anyway.
 */
function register({ M, N, K }: ProductSize, { subgroupSize }: GpuLimits, fours: boolean): ProductTile {
  const inMemory = subgroupSize === 4;
  return {
    THREADS: 16,
    TILE_ROWS: (inMemory || fours) && M > 16 ? 32 : 16,
    TILE_COLUMNS: inMemory && N > 64 ? 128 : 64,
    EXACT: K !== null && K % 4 === 0 ? 1 : 0,
  };
}

/** A tile of product-tiled.wgsl: its side, what a thread has of it, and how many workgroups make it worth its size. */
interface Tiling {
  readonly side: number;
  readonly rows: number;
  readonly columns: number;
  readonly buffers: number;
  readonly groups: number;
}

/**
 * Largest first; the last is within what every adapter grants. On an H100 (132 processors) fewer workgroups than these
 * leave some idle, and the next tile is faster.
 */
const TILINGS: readonly Tiling[] = [
  { side: 128, rows: 8, columns: 8, buffers: 2, groups: 512 },
  { side: 64, rows: 8, columns: 4, buffers: 1, groups: 200 },
  { side: 32, rows: 4, columns: 4, buffers: 1, groups: 0 },
];
/** Threads of eight columns: four of the gate, and four of what it multiplies half a tile further on. */
const PAIRED_TILINGS: readonly Tiling[] = [TILINGS[0], { side: 64, rows: 4, columns: 8, buffers: 1, groups: 0 }];
const DEPTH = 16;

function tiled({ B = 1, M, N, aligned, paired }: ProductSize, limits: GpuLimits): ProductTile {
  const tiling = (paired ? PAIRED_TILINGS : TILINGS).find(({ side, rows, columns, buffers, groups }) => {
    const bytes = 16 * buffers * DEPTH * (side / 2);
    const fits = bytes <= limits.maxWorkgroupStorage && side ** 2 <= rows * columns * limits.maxWorkgroupInvocations;
    return fits && B * ceilDiv(M, side) * ceilDiv(N, side) >= groups;
  });
  const { side, rows, columns, buffers } = tiling as Tiling;
  return {
    THREADS: side ** 2 / rows / columns,
    TILE_ROWS: side,
    TILE_COLUMNS: side,
    THREAD_ROWS: rows,
    THREAD_COLUMNS: columns,
    BUFFERS: buffers,
    ALIGNED: aligned ? 1 : 0,
  };
}

/** Null where the product takes another variant. */
export function productTile(
  variant: ProductVariant,
  size: ProductSize,
  limits: GpuLimits,
  dtype: FloatDType,
): ProductTile | null {
  if (productVariant(size, limits, dtype) !== variant) return null;
  if (variant === "product-register") return register(size, limits, false);
  if (variant === "product-tiled") return tiled(size, limits);
  const along = { LEFT_ALONG_K: size.leftAlongK ? 1 : 0, RIGHT_ALONG_K: size.rightAlongK ? 1 : 0 };
  if (variant === "product-register-fours") return { ...register(size, limits, true), ...along };
  return { ...MATRIX, ALIGNED: size.aligned ? 1 : 0, ...along };
}

/** ACTIVATION of a kernel with an epilogue: a constant saves 2 % of a mixture's forward on lavapipe, 4 % with the backward. */
export const activationTile = ({ activation }: Pick<ProductSize, "activation">): Tiles =>
  activation === undefined ? {} : { ACTIVATION: activation };

/** The launches of a kernel over the tiles of product-*.wgsl. One of them runs, as adapter, type and size decide. */
export const productLaunches = /* @__NO_SIDE_EFFECTS__ */ <P>(
  source: WgslSource,
  size: (params: P) => ProductSize,
  buffers?: readonly string[],
) =>
  (Object.keys(VARIANTS) as ProductVariant[]).map((variant) => ({
    source,
    common: [VARIANTS[variant], productStrides],
    tiles: (params: P, limits: GpuLimits, dtype: FloatDType) => {
      const product = size(params);
      const tile = productTile(variant, product, limits, dtype);
      return tile && { ...tile, ...activationTile(product) };
    },
    grid: (params: P, { TILE_ROWS, TILE_COLUMNS }: Tiles) => {
      const { B = 1, M, N } = size(params);
      return [ceilDiv(N, TILE_COLUMNS), ceilDiv(M, TILE_ROWS), B] as const;
    },
    ...(buffers ? { buffers } : {}),
  }));
