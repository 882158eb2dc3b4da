import { describe, expect, test } from "vitest";
import { productLaunches, productTile, productVariant } from "../../kernels/common/wgsl/product.js";
import productRegister from "../../kernels/common/wgsl/product-register.wgsl.js";
import productTiled from "../../kernels/common/wgsl/product-tiled.wgsl.js";
import type { GpuLimits } from "../../kernels/contract.js";

/** What every WebGPU adapter grants. */
const LEAST: GpuLimits = {
  maxWorkgroupStorage: 16384,
  maxWorkgroupInvocations: 256,
  subgroups: false,
  subgroupSize: 0,
  f16: false,
  software: false,
};

describe("the variant of a product", () => {
  const adapters: [string, Partial<GpuLimits>, string][] = [
    ["a GPU without subgroups", {}, "product-tiled"],
    ["a GPU with subgroups", { subgroups: true, subgroupSize: 32 }, "product-tiled"],
    ["software with 8 lanes (lavapipe)", { software: true, subgroups: true, subgroupSize: 8 }, "product-register"],
    ["software with 4 lanes (SwiftShader)", { software: true, subgroups: true, subgroupSize: 4 }, "product-register"],
    ["software without subgroups", { software: true }, "product-tiled"],
  ];
  test.each(adapters)("%s", (_, limits, variant) => {
    expect(productVariant({ ...LEAST, ...limits })).toBe(variant);
  });
});

describe("the launches of a product", () => {
  const sizes = [
    { M: 1, N: 1 },
    { M: 64, N: 64 },
    { M: 65, N: 129, B: 3 },
    { M: 0, N: 5 },
  ];
  const launches = productLaunches(
    { text: "source", common: [] },
    (size: { M: number; N: number; B?: number }) => size,
    ["a", "b"],
  );

  test.each([true, false])("one runs, and its grid covers the product (software: %s)", (software) => {
    const limits = { ...LEAST, software, subgroups: true, subgroupSize: 8 };
    for (const size of sizes) {
      const chosen = launches.filter((launch) => launch.tiles(size, limits));
      expect(chosen.map(({ common }) => common)).toEqual([[software ? productRegister : productTiled]]);
      const tile = productTile(productVariant(limits), limits);
      if (!tile) throw new Error("the chosen variant has no tile");
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

  test("the workgroup is within what every adapter grants", () => {
    const tile = productTile("product-tiled", LEAST);
    expect(tile?.THREADS).toBeLessThanOrEqual(LEAST.maxWorkgroupInvocations);
  });
});
