import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { wgslPlugin } from "./scripts/wgsl-module.mjs";

const inBuild = (name: string) => fileURLToPath(new URL(`./build/simt/${name}`, import.meta.url));

/** Tests of the cuda device, which are for a simulated GPU alone. */
const ofCudaDevice = [
  "test/bindings/{cuda,cuda-memory,cuda-errors,cuda-nvtx}.test.ts",
  "test/models/cuda.test.ts",
  "test/cli/{devices,train,chat}-cuda.test.ts",
  "test/gpu-trace.test.ts",
];

/** What takes minutes and fails rarely alone: `npm run test:long`, a step of CI. */
const long = [
  "test/browser/{examples,op-cases,bench-page}.test.ts",
  "test/installed.test.ts",
  "test/{models,med-moe}/train-ways.test.ts",
  "test/models/{blip-layout,run-log}.test.ts",
  "test/bench/{run,threads}.test.ts",
  "test/cli/demo-again.test.ts",
  "test/hub/transfers.test.ts",
  "test/kernels/grouped-gemm.test.ts",
  "test/bindings/webgpu-kernels.test.ts",
  "test/large-buffers.test.ts",
];

/** Tests that leave nothing behind in their process: a worker runs them one after the other, and loads the library once. */
const inOneProcess = ["test/{bindings,data,engine,io,kernels,med-moe,models,nn,peft,text}/**/*.test.ts"];

export default defineConfig({
  plugins: [wgslPlugin],
  resolve: {
    alias: [
      { find: "#platform", replacement: fileURLToPath(new URL("./bindings/platform/node.ts", import.meta.url)) },
      // Examples import the package by its name, as their readers will.
      { find: /^consilium$/, replacement: fileURLToPath(new URL("./engine/index.ts", import.meta.url)) },
      { find: /^consilium\/(extend|wgsl)$/, replacement: fileURLToPath(new URL("./engine/$1.ts", import.meta.url)) },
    ],
  },
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "best",
          include: ["test/**/*.test.ts"],
          exclude: ["test/simt/**", ...ofCudaDevice, ...inOneProcess, ...long],
        },
      },
      {
        extends: true,
        test: {
          name: "one-process",
          isolate: false,
          include: inOneProcess,
          exclude: [...ofCudaDevice, ...long],
        },
      },
      { extends: true, test: { name: "long", include: long } },
      // What runs where a machine's best instruction set is not compiled in: every addon for x86 has SSE4.
      ...(process.arch === "x64"
        ? [
            {
              extends: true as const,
              test: {
                name: "SSE4",
                include: ["test/ops.test.ts", "test/special-values*.test.ts"],
                env: { CONSILIUM_SIMD: "SSE4" },
              },
            },
          ]
        : []),
      // CUDA kernels on a GPU that is simulated (test/simt/README.md), compiled by the global setup.
      ...(process.platform === "linux"
        ? [
            {
              extends: true as const,
              test: {
                name: "cuda-sim",
                include: [
                  "test/simt/*.test.ts",
                  ...ofCudaDevice,
                  "test/ops.test.ts",
                  "test/kernels/passes/*.test.ts",
                  "test/kernels/{optimisers,grouped-gemm,mixture,token-permute,top-k-routing,expert-stacks}.test.ts",
                  "test/{special-values,special-values-fused,same-bits,broadcast}.test.ts",
                  "test/engine/{adamw,autocast,capture,checkpoint,clip-grad-norm,errors,grad-scaler}.test.ts",
                  "test/engine/{lora-matmul,profile,quantized-matmul,run-ahead,scope,tape,vision-checkpoint}.test.ts",
                  "test/nn/lora.test.ts",
                  "test/peft/adapters.test.ts",
                  "test/bench/ceilings.test.ts",
                  "test/parity/{miss,med-moe,med-moe-gating,med-moe-layer,stories260k}.test.ts",
                  "test/models/replay.test.ts",
                ],
                globalSetup: "test/simt/build.ts",
                env: { CONSILIUM_CUDA_DRIVER: inBuild("libcuda-simt.so"), CONSILIUM_CUDA_KERNELS: inBuild("") },
              },
            },
          ]
        : []),
    ],
  },
});
