import { describe, expect, test } from "vitest";
import { CHECKED } from "../../engine/device/check-matrices.js";
import { type ProductSize, productLaunches, productTile, productVariant } from "../../kernels/common/wgsl/product.js";
import type { GpuLimits } from "../../kernels/contract.js";

/** What every WebGPU adapter grants. */
const LEAST: GpuLimits = {
  maxWorkgroupStorage: 16384,
  maxWorkgroupInvocations: 256,
  subgroups: false,
  subgroupSize: 0,
  f16: false,
  matrices: false,
  maxBinding: 2 ** 27,
  software: false,
};
const LARGE: GpuLimits = { ...LEAST, maxWorkgroupStorage: 49152, maxWorkgroupInvocations: 1024 };

/** Of a linear layer. */
const ALONG = { K: 100, leftAlongK: true, rightAlongK: true };

describe("the variant of a product", () => {
  const adapters: [string, Partial<GpuLimits>, string][] = [
    ["a GPU without subgroups", {}, "product-tiled"],
    ["a GPU with subgroups", { subgroups: true, subgroupSize: 32 }, "product-tiled"],
    [
      "software with 8 lanes (lavapipe)",
      { software: true, subgroups: true, subgroupSize: 8 },
      "product-register-fours",
    ],
    ["software with 4 lanes (SwiftShader)", { software: true, subgroups: true, subgroupSize: 4 }, "product-register"],
    ["software without subgroups", { software: true }, "product-tiled"],
  ];
  test.each(adapters)("%s", (_, limits, variant) => {
    expect(productVariant({ M: 100, N: 100, aligned: true, ...ALONG }, { ...LEAST, ...limits }, "f32")).toBe(variant);
  });
});

test("a software adapter loads fours where rows and pairs of columns let it", () => {
  const limits = { ...LEAST, software: true, subgroups: true, subgroupSize: 8 };
  const variant = (size: Partial<ProductSize>) =>
    productVariant({ M: 100, N: 100, aligned: true, ...ALONG, ...size }, limits, "f32");
  expect(variant({ rightAlongK: false })).toBe("product-register-fours");
  expect(variant({ aligned: false })).toBe("product-register");
  expect(variant({ paired: true })).toBe("product-register-fours");
  expect(variant({ paired: true, rightAlongK: false })).toBe("product-register");
  const along = { LEFT_ALONG_K: 0, RIGHT_ALONG_K: 1, EXACT: 1 };
  const size = { M: 100, N: 100, aligned: true, ...ALONG, leftAlongK: false };
  expect(productTile("product-register-fours", size, limits, "f32")).toMatchObject(along);
});

test("subgroup matrices multiply what is f16, has tiles enough and fits the cache, where the adapter has them", () => {
  const limits = { ...LARGE, f16: true, matrices: true };
  const size = { ...ALONG, M: 2048, N: 2048, K: 2048, aligned: false };
  expect(productVariant(size, limits, "f16")).toBe("product-matrix");
  expect(productVariant({ ...size, ...CHECKED }, limits, "f16"), "what the self-check multiplies").toBe(
    "product-matrix",
  );
  expect(productVariant(size, limits, "f32")).toBe("product-tiled");
  expect(productVariant({ ...size, M: 1024 }, limits, "f16")).toBe("product-tiled");
  expect(productVariant({ ...size, M: 4096, N: 4096, K: 4096 }, limits, "f16")).toBe("product-tiled");
  expect(productVariant(size, { ...limits, matrices: false }, "f16")).toBe("product-tiled");
  expect(productVariant(size, { ...limits, maxWorkgroupStorage: 16384 }, "f16")).toBe("product-tiled");
  const tile = { THREADS: 128, ALIGNED: 0, LEFT_ALONG_K: 1, RIGHT_ALONG_K: 1 };
  expect(productTile("product-matrix", size, limits, "f16")).toMatchObject(tile);
});

describe("the launches of a product", () => {
  const sizes: ProductSize[] = [
    { M: 1, N: 1, aligned: false, ...ALONG },
    { M: 64, N: 64, aligned: true, ...ALONG },
    { M: 65, N: 129, B: 3, aligned: false, ...ALONG },
    { M: 0, N: 5, aligned: true, ...ALONG },
    { M: 4096, N: 4096, aligned: true, ...ALONG },
  ];
  const launches = productLaunches("source" as never, (size: ProductSize) => size, ["a", "b"]);

  test.each([true, false])("one runs, and its grid covers the product (software: %s)", (software) => {
    const limits = { ...LARGE, software, subgroups: true, subgroupSize: 8 };
    for (const size of sizes) {
      const chosen = launches.filter((launch) => launch.tiles(size, limits, "f32"));
      expect(chosen).toHaveLength(1);
      const tile = productTile(productVariant(size, limits, "f32"), size, limits, "f32");
      if (!tile) throw new Error("the chosen variant has no tile");
      expect(chosen[0].tiles(size, limits, "f32")).toEqual(tile);
      const [x, y, z] = chosen[0].grid(size, tile);
      for (const [groups, side, tileSide] of [
        [x, size.N, tile.TILE_COLUMNS],
        [y, size.M, tile.TILE_ROWS],
      ]) {
        expect(groups * tileSide).toBeGreaterThanOrEqual(side);
        expect((groups - 1) * tileSide).toBeLessThan(side);
      }
      expect(z).toBe(size.B ?? 1);
      expect(chosen[0].buffers).toEqual(["a", "b"]);
    }
  });
});

describe("the tile of a software adapter", () => {
  const tile = (subgroupSize: number, size: { M: number; N: number; K: number }) =>
    productTile(
      "product-register",
      { ...ALONG, ...size, aligned: false },
      { ...LEAST, software: true, subgroupSize },
      "f32",
    );

  test("is large with four lanes, unless the product is as small as a smaller one", () => {
    expect(tile(4, { M: 512, N: 512, K: 512 })).toMatchObject({ TILE_ROWS: 32, TILE_COLUMNS: 128 });
    expect(tile(4, { M: 16, N: 65, K: 512 })).toMatchObject({ TILE_ROWS: 16, TILE_COLUMNS: 128 });
    expect(tile(4, { M: 17, N: 64, K: 512 })).toMatchObject({ TILE_ROWS: 32, TILE_COLUMNS: 64 });
    expect(tile(8, { M: 512, N: 512, K: 512 })).toMatchObject({ TILE_ROWS: 16, TILE_COLUMNS: 64 });
  });

  test("has twice the rows where eight lanes share what they load in fours, unless there are few", () => {
    const rows = (M: number) => {
      const size = { ...ALONG, M, N: 100, aligned: true };
      return productTile("product-register-fours", size, { ...LEAST, software: true, subgroupSize: 8 }, "f32")
        ?.TILE_ROWS;
    };
    expect([1, 16, 17, 512].map(rows)).toEqual([16, 16, 32, 32]);
  });

  test("masks nothing where k comes in whole fours", () => {
    for (const [K, EXACT] of [
      [0, 1],
      [510, 0],
      [511, 0],
      [512, 1],
    ])
      expect(tile(4, { M: 1, N: 1, K })?.EXACT).toBe(EXACT);
  });
});

describe("the tile of a GPU", () => {
  const side = (limits: GpuLimits, size: { B?: number; M: number; N: number }) =>
    productTile("product-tiled", { ...size, aligned: true, ...ALONG }, limits, "f32")?.TILE_ROWS;

  test("is large where the product fills the chip with large ones, and the adapter has room for them", () => {
    expect(side(LARGE, { M: 4096, N: 4096 })).toBe(128);
    expect(side(LARGE, { B: 128, M: 256, N: 256 })).toBe(128);
    expect(side(LARGE, { M: 1024, N: 1024 })).toBe(64);
    expect(side(LARGE, { M: 512, N: 512 })).toBe(32);
    expect(side(LEAST, { M: 4096, N: 4096 })).toBe(64);
    expect(side({ ...LARGE, maxWorkgroupInvocations: 64 }, { M: 4096, N: 4096 })).toBe(32);
  });

  test("is within the limits of the adapter", () => {
    for (const limits of [LEAST, LARGE])
      for (const M of [1, 100, 5000]) {
        const tile = productTile("product-tiled", { M, N: M, aligned: false, ...ALONG }, limits, "f32");
        if (!tile) throw new Error("no tile");
        expect(tile.THREADS).toBeLessThanOrEqual(limits.maxWorkgroupInvocations);
        const fours = (tile.TILE_ROWS + tile.TILE_COLUMNS) / 4;
        expect(16 * tile.BUFFERS * 16 * fours).toBeLessThanOrEqual(limits.maxWorkgroupStorage);
      }
  });

  test("moves four elements at a time only where all rows begin at a multiple of four", () => {
    for (const aligned of [true, false])
      expect(productTile("product-tiled", { M: 64, N: 64, aligned, ...ALONG }, LEAST, "f32")?.ALIGNED).toBe(
        aligned ? 1 : 0,
      );
  });
});
