import { describe, expect, test } from "vitest";
import { create, globals } from "webgpu";
import type { Binding, Memory } from "../../bindings/device.js";
import { decodeF16, encodeF16 } from "../../bindings/half.js";
import { hasMatrices } from "../../bindings/webgpu/adapter.js";
import { assemble } from "../../bindings/webgpu/program.js";
import { withCheckedMatrices } from "../../engine/device/check-matrices.js";
import productMatrix from "../../kernels/common/wgsl/product-matrix.wgsl.js";
import productStrides from "../../kernels/common/wgsl/product-strides.wgsl.js";
import type { AnyPass } from "../../kernels/contract.js";
import forward from "../../kernels/matmul/forward.wgsl.js";

type Kept = Memory & { values: Float64Array };

/** A binding that computes by the pass's reference; `spoil` may change what it gives. */
function fake(spoil: (y: Float64Array, params: Record<string, number>) => void): Binding {
  const binding = {
    description: "a chip",
    limits: { matrices: true },
    allocate: (length: number): Kept => ({ bytes: 2 * length, values: new Float64Array(length) }),
    release: () => {},
    write: (memory: Kept, data: Uint16Array) => memory.values.set(decodeF16(data)),
    read: async (memory: Kept) => encodeF16(Float32Array.from(memory.values)).buffer,
    launch(pass: AnyPass, _dtype: string, buffers: (Kept | null)[], params: Record<string, number>) {
      pass.reference(Object.fromEntries(pass.bufferNames.map((name, i) => [name, buffers[i]?.values ?? null])), params);
      spoil((buffers[3] as Kept).values, params);
    },
  };
  return binding as unknown as Binding;
}

describe("the self-check of subgroup matrices", () => {
  test("keeps those that multiply exactly", async () => {
    const binding = await withCheckedMatrices(fake(() => {}));
    expect(binding.limits?.matrices).toBe(true);
    expect(binding.description).toBe("a chip, subgroup matrices");
  });

  test("turns off those of which one number of one layout is off, and says which", async () => {
    const binding = await withCheckedMatrices(
      fake((y, { transposeA, transposeB }) => {
        if (transposeA && !transposeB) y[5 * 132 + 7] += 1;
      }),
    );
    expect(binding.limits?.matrices).toBe(false);
    expect(binding.description).toMatch(
      /^a chip, subgroup matrices not used: a product had -?\d+ for -?\d+ at row 5, column 7$/,
    );
  });

  test("turns them off where the driver refuses the kernel", async () => {
    const binding = await withCheckedMatrices(
      fake(() => {
        throw new Error("no such instruction");
      }),
    );
    expect(binding.limits?.matrices).toBe(false);
    expect(binding.description).toBe("a chip, subgroup matrices not used: no such instruction");
  });
});

test("an adapter must have the very matrices of the kernel, in subgroups of 32", () => {
  const config = { componentType: "f16", resultComponentType: "f32", M: 16, N: 16, K: 16 };
  const info = { subgroupMinSize: 32, subgroupMaxSize: 32, subgroupMatrixConfigs: [{ ...config, N: 8 }, config] };
  const of = (changes: object) => hasMatrices({ ...info, ...changes } as unknown as GPUAdapterInfo);
  expect(of({})).toBe(true);
  expect(of({ subgroupMinSize: 16 })).toBe(false);
  expect(of({ subgroupMatrixConfigs: [{ ...config, resultComponentType: "f16" }] })).toBe(false);
  expect(of({ subgroupMatrixConfigs: undefined })).toBe(false);
});

/** No software adapter has them; Dawn's null adapter runs nothing and checks the text. */
test("the kernel is WGSL that Dawn takes", async () => {
  Object.assign(globalThis, globals);
  const gpu = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
  const adapter = (await gpu.requestAdapter()) as GPUAdapter;
  const requiredFeatures = ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix"] as GPUFeatureName[];
  const device = await adapter.requestDevice({ requiredFeatures });
  for (const is of [0, 1]) {
    const along = { ALIGNED: is, LEFT_ALONG_K: is, RIGHT_ALONG_K: 1 - is };
    const tiles = { THREADS: 128, TILE_ROWS: 128, TILE_COLUMNS: 128, ACTIVATION: 1, ...along };
    const module = device.createShaderModule({
      code: assemble(forward, "f16", tiles, [productMatrix, productStrides]),
    });
    const { messages } = await module.getCompilationInfo();
    expect(messages.map(({ lineNum, message }) => `${lineNum}: ${message}`)).toEqual([]);
  }
  device.destroy();
});
