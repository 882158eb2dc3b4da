import { describe } from "vitest";
import type { Binding } from "../../bindings/device.js";
import type { GpuLimits } from "../../kernels/contract.js";
import { indexAdd } from "../../kernels/copy/kernels.js";
import { accumulate } from "../../kernels/elementwise/kernels.js";
import { backwardWeight as embeddingBackward } from "../../kernels/embedding/kernels.js";
import { forward as layerNorm } from "../../kernels/layer-norm/kernels.js";
import * as lora from "../../kernels/lora-matmul/kernels.js";
import { ACTIVATIONS } from "../../kernels/matmul/activation.js";
import { backwardActivation, backwardBias, forward as matmul } from "../../kernels/matmul/kernels.js";
import { REDUCE } from "../../kernels/reduce/functions.js";
import { forward as reduce } from "../../kernels/reduce/kernels.js";
import { ADAPTERS } from "../support/devices.js";
import { generator } from "../support/random.js";
import { checkPass } from "../support/run-pass.js";
import { gpuTest } from "../support/webgpu.js";

const normal = (length: number, seed: string, scale = 1) => {
  const random = generator(seed);
  return Float32Array.from({ length }, () => scale * random.normal());
};
const spiky = (length: number, seed: string) => {
  const random = generator(seed);
  return Float32Array.from({ length }, () => (random.uniform() < 0.02 ? 30 : 1) * random.normal());
};

describe("layer-norm/forward", () => {
  const shapes: [name: string, T: number, C: number, eps: number, shift?: number][] = [
    ["one element: the variance is zero", 1, 1, 1e-3],
    ["no rows", 0, 8, 1e-5],
    ["row shorter than a workgroup", 3, 7, 1e-5],
    ["tail after whole workgroups", 130, 65, 1e-5],
    ["eps below f32 resolution (BERT)", 9, 40, 1e-12],
    ["mean far from zero", 5, 384, 1e-5, 1000],
    ["more rows than a grid has on one side", 65_600, 8, 1e-5],
  ];
  for (const [name, T, C, eps, shift = 0] of shapes) {
    gpuTest(name, async (gpu) => {
      const arrays = {
        x: spiky(T * C, name).map((v) => v + shift),
        weight: normal(C, "weight"),
        bias: normal(C, "bias"),
        y: new Float32Array(T * C),
        mean: new Float32Array(T),
        rstd: new Float32Array(T),
      };
      // f32 cannot tell a value near 1000 closer than 6e-5, three thousandths of a percent of what is normalised.
      await checkPass(gpu, layerNorm, arrays, { T, C, eps }, shift ? 2e-5 : 2e-6);
    });
  }
});

/** Each variant of a product runs on every adapter that can: registers on one that runs on the CPU, tiles on a GPU. */
const VARIANTS: [string, Partial<GpuLimits>][] = [
  ["as software", ADAPTERS.software],
  ["as a GPU", ADAPTERS.hardware],
  ["as a large GPU", ADAPTERS.large],
];

describe.each(VARIANTS)("matmul/forward %s", (_, limits) => {
  const sizes = {
    B: 1,
    transposeA: 0,
    transposeB: 0,
    batchedA: 0,
    batchedB: 0,
    activation: 0,
    accumulate: 0,
  };
  type Case = {
    M: number;
    N: number;
    K: number;
    bias?: true;
    pre?: true;
  } & Partial<typeof sizes>;
  const cases: [string, Case][] = [
    ["one element", { M: 1, N: 1, K: 1 }],
    ["no inner elements: the bias remains", { M: 5, N: 7, K: 0, bias: true }],
    ["tail smaller than a tile everywhere", { M: 33, N: 65, K: 5 }],
    ["whole tiles, every four elements aligned", { M: 128, N: 128, K: 32, bias: true }],
    ["several tiles, aligned rows, tails", { M: 140, N: 76, K: 52, transposeB: 1 }],
    ["left transposed, aligned rows", { M: 68, N: 72, K: 19, transposeA: 1 }],
    ["left transposed", { M: 31, N: 33, K: 100, transposeA: 1 }],
    ["linear layer", { M: 65, N: 40, K: 33, transposeB: 1, bias: true }],
    ["both transposed", { M: 63, N: 65, K: 100, transposeA: 1, transposeB: 1 }],
    ["batched, b shared by all", { B: 3, M: 13, N: 35, K: 20, batchedA: 1 }],
    ["batched, a shared by all", { B: 3, M: 13, N: 35, K: 20, batchedB: 1 }],
    ["batched, matrices that start between four elements", { B: 3, M: 5, N: 8, K: 7, batchedA: 1, batchedB: 1 }],
    ["batches enough for large tiles", { B: 128, M: 132, N: 136, K: 20, batchedA: 1 }],
    [
      "large tiles, both transposed, no four elements aligned",
      { B: 128, M: 131, N: 133, K: 5, batchedB: 1, transposeA: 1, transposeB: 1 },
    ],
    ["accumulate", { M: 17, N: 18, K: 19, accumulate: 1, bias: true }],
    ...Object.entries(ACTIVATIONS).map(([name, activation]): [string, Case] => [
      `bias, ${name} and what it was applied to`,
      { M: 37, N: 67, K: 40, transposeB: 1, bias: true, pre: true, activation },
    ]),
  ];
  for (const [name, { bias, pre, ...given }] of cases) {
    const body = async (gpu: Binding) => {
      const p = {
        ...sizes,
        ...given,
        hasBias: bias ? 1 : 0,
        hasPreactivation: pre ? 1 : 0,
      };
      const arrays = {
        a: spiky((p.batchedA ? p.B : 1) * p.M * p.K, `${name} a`),
        b: normal((p.batchedB ? p.B : 1) * p.K * p.N, `${name} b`, 1 / Math.sqrt(Math.max(1, p.K))),
        bias: bias ? normal(p.N, "bias") : null,
        y: normal(p.B * p.M * p.N, `${name} y`),
        preactivation: pre ? new Float32Array(p.B * p.M * p.N) : null,
      };
      await checkPass(gpu, matmul, arrays, p, 5e-6);
    };
    gpuTest(name, body, limits);
  }
});

describe("matmul/backward-activation", () => {
  for (const [name, activation] of Object.entries(ACTIVATIONS)) {
    gpuTest(`${name}, rows over a block`, async (gpu) => {
      const [T, N] = [70, 67];
      const arrays = {
        dy: normal(T * N, `${name} dy`),
        preactivation: normal(T * N, `${name} x`, 3),
        dpreactivation: new Float32Array(T * N),
        dbias: new Float32Array(N),
      };
      await checkPass(gpu, backwardActivation, arrays, { T, N, activation, hasDbias: 1 }, 2e-6);
    });
  }
  gpuTest("without the bias", async (gpu) => {
    const arrays = { dy: normal(15, "dy"), preactivation: normal(15, "x"), dpreactivation: new Float32Array(15) };
    await checkPass(gpu, backwardActivation, arrays, { T: 3, N: 5, activation: 1, hasDbias: 0 }, 2e-6);
  });
});

describe("matmul/backward-bias", () => {
  const shapes: [string, number, number, number][] = [
    ["one element", 1, 1, 0],
    ["no rows: zeros", 0, 5, 0],
    ["no rows, accumulated", 0, 5, 1],
    ["rows over several blocks, columns over a workgroup", 200, 70, 0],
    ["accumulated", 65, 64, 1],
  ];
  for (const [name, T, N, accumulate] of shapes) {
    gpuTest(name, async (gpu) => {
      const arrays = { dy: normal(T * N, name), dbias: normal(N, `${name} dbias`) };
      await checkPass(gpu, backwardBias, arrays, { T, N, accumulate }, 2e-6);
    });
  }
});

describe.each(VARIANTS)("lora-matmul %s", (_, limits) => {
  const shapes: [string, Record<"T" | "N" | "K" | "R", number>, number][] = [
    ["one element", { T: 1, N: 1, K: 1, R: 1 }, 0],
    ["no rank: the base layer remains", { T: 5, N: 7, K: 6, R: 0 }, 0],
    ["tails everywhere", { T: 37, N: 67, K: 65, R: 3 }, 0],
    ["several tiles, aligned rows", { T: 130, N: 132, K: 72, R: 8 }, 0],
    ["more ranks than are summed at once, dropout", { T: 20, N: 33, K: 44, R: 19 }, 0.3],
    ["tokens over several blocks, dropout at places not aligned", { T: 300, N: 24, K: 37, R: 4 }, 0.25],
  ];
  for (const [name, { T, N, K, R }, dropout] of shapes) {
    const sizes = { T, N, K, R, scale: 1.5, dropout, sequence: 77 };
    const weights = () => ({
      weight: normal(N * K, `${name} weight`, 1 / Math.sqrt(K)),
      a: normal(R * K, `${name} a`, 1 / Math.sqrt(K)),
      b: normal(N * R, `${name} b`, 1 / Math.sqrt(Math.max(1, R))),
      random: dropout > 0 ? Uint32Array.of(0x12345678, 0x9abcdef0, 5, 0) : null,
    });
    const forward = async (gpu: Binding) => {
      const outputs = { y: new Float32Array(T * N), h: new Float32Array(T * R) };
      const arrays = { ...weights(), ...outputs, x: normal(T * K, `${name} x`), bias: normal(N, "bias") };
      await checkPass(gpu, lora.forward, arrays, { ...sizes, hasBias: 1 }, 5e-6);
    };
    const backwardInput = async (gpu: Binding) => {
      const outputs = { dx: new Float32Array(T * K), g: new Float32Array(T * R) };
      const arrays = { ...weights(), ...outputs, dy: normal(T * N, `${name} dy`) };
      await checkPass(gpu, lora.backwardInput, arrays, { ...sizes, hasDx: 1 }, 5e-6);
    };
    gpuTest(`forward: ${name}`, forward, limits);
    gpuTest(`backward-input: ${name}`, backwardInput, limits);
    for (const [accumulateA, accumulateB] of [
      [0, 1],
      [1, 0],
    ]) {
      const body = async (gpu: Binding) => {
        const inputs = { dy: normal(T * N, "dy"), x: normal(T * K, "x"), h: normal(T * R, "h"), g: normal(T * R, "g") };
        const { random } = weights();
        const arrays = { ...inputs, random, da: normal(R * K, "da"), db: normal(N * R, "db") };
        await checkPass(gpu, lora.backwardAdapter, arrays, { ...sizes, accumulateA, accumulateB }, 5e-6);
      };
      gpuTest(`backward-adapter, adds to ${accumulateA ? "da" : "db"}: ${name}`, body, limits);
    }
    const merge = async (gpu: Binding) => checkPass(gpu, lora.merge, weights(), { N, K, R, scale: -1.5 }, 2e-6);
    gpuTest(`merge: ${name}`, merge, limits);
  }
});

describe("the tiles of a hardware adapter", () => {
  const reductions: [name: string, O: number, L: number, I: number][] = [
    ["rows of one split, lanes left over", 3, 67, 1],
    ["rows of three splits", 2, 20_000, 1],
  ];
  for (const [name, O, L, I] of reductions) {
    for (const [f, code] of Object.entries(REDUCE)) {
      gpuTest(
        `reduce/forward, ${f}: ${name}`,
        async (gpu) => {
          const arrays = { x: normal(O * L * I, name), y: new Float32Array(O * I) };
          await checkPass(gpu, reduce, arrays, { O, L, I, f: code, scale: 0.5 }, 1e-6);
        },
        ADAPTERS.hardware,
      );
    }
  }

  const repeated = (count: number, size: number) => Int32Array.from({ length: count }, (_, k) => (k * k + 3) % size);

  gpuTest(
    "copy/index-add, more keys than threads",
    async (gpu) => {
      const [O, V, K, I] = [2, 5000, 700, 3];
      const arrays = {
        x: normal(O * K * I, "x"),
        index: repeated(K, V),
        base: normal(O * V * I, "base"),
        y: new Float32Array(O * V * I),
        faults: new Uint32Array(4),
      };
      await checkPass(gpu, indexAdd, arrays, { O, V, K, I, hasBase: 1, faultLabel: 0 }, 1e-6);
    },
    ADAPTERS.hardware,
  );

  gpuTest(
    "embedding/backward-weight, more rows than threads",
    async (gpu) => {
      const [T, V, C] = [700, 5000, 3];
      const arrays = { dy: normal(T * C, "dy"), ids: repeated(T, V), dweight: normal(V * C, "dweight") };
      await checkPass(gpu, embeddingBackward, arrays, { T, V, C, paddingIndex: 3, accumulate: 1 }, 1e-6);
    },
    ADAPTERS.hardware,
  );
});

describe("elementwise/accumulate", () => {
  gpuTest("tail after whole vectors, two workgroups", async (gpu) => {
    const arrays = { x: normal(263, "x"), y: normal(263, "y") };
    await checkPass(gpu, accumulate, arrays, { n: 263 }, 1e-7);
  });
});

describe("reduce/forward", () => {
  // Sums of two million terms in f32: 256 splits, four sequences for each of eight threads.
  gpuTest("a row of more elements than 256 runs", async (gpu) => {
    const L = 256 * 8192 + 9001;
    const arrays = { x: normal(L, "x"), y: new Float32Array(1) };
    await checkPass(gpu, reduce, arrays, { O: 1, L, I: 1, f: REDUCE.sum, scale: 1 / Math.sqrt(L) }, 2e-6);
  });
  gpuTest("columns of more rows than 256 blocks", async (gpu) => {
    const L = 256 * 128 + 300;
    const arrays = { x: normal(L * 2, "x"), y: new Float32Array(2) };
    await checkPass(gpu, reduce, arrays, { O: 1, L, I: 2, f: REDUCE.sum, scale: 1 / Math.sqrt(L) }, 2e-6);
  });
});
