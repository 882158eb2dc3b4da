import { describe } from "vitest";
import { forward as attention } from "../../kernels/attention/kernels.js";
import { type AnyPass, type GpuLimits, type Params, pass, type WgslLaunch } from "../../kernels/contract.js";
import { indexAdd } from "../../kernels/copy/kernels.js";
import { accumulate } from "../../kernels/elementwise/kernels.js";
import { backwardWeight as embeddingBackward } from "../../kernels/embedding/kernels.js";
import { forward as layerNorm } from "../../kernels/layer-norm/kernels.js";
import { ACTIVATIONS } from "../../kernels/matmul/activation.js";
import { forward as matmul } from "../../kernels/matmul/kernels.js";
import { REDUCE } from "../../kernels/reduce/functions.js";
import { forward as reduce } from "../../kernels/reduce/kernels.js";
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

describe("matmul/forward", () => {
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
    ["left transposed", { M: 31, N: 33, K: 100, transposeA: 1 }],
    ["linear layer", { M: 65, N: 40, K: 33, transposeB: 1, bias: true }],
    ["both transposed", { M: 63, N: 65, K: 100, transposeA: 1, transposeB: 1 }],
    ["batched, b shared by all", { B: 3, M: 13, N: 35, K: 20, batchedA: 1 }],
    ["batched, a shared by all", { B: 3, M: 13, N: 35, K: 20, batchedB: 1 }],
    ["accumulate", { M: 17, N: 18, K: 19, accumulate: 1, bias: true }],
    ...Object.entries(ACTIVATIONS).map(([name, activation]): [string, Case] => [
      `bias, ${name} and what it was applied to`,
      { M: 37, N: 67, K: 40, transposeB: 1, bias: true, pre: true, activation },
    ]),
  ];
  for (const [name, { bias, pre, ...given }] of cases) {
    gpuTest(name, async (gpu) => {
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
    });
  }
});

describe("attention/forward", () => {
  const sizes = {
    B: 1,
    L: 8,
    S: 8,
    H: 1,
    G: 1,
    D: 16,
    P: 0,
    causal: 0,
    dropout: 0,
    sequence: 0,
  };
  type Case = Partial<typeof sizes> & {
    mask?: (s: number) => number;
    packed?: true;
    capacity?: number;
  };
  const cases: [string, Case][] = [
    ["one key", { L: 1, S: 1, D: 1 }],
    ["odd head width, tail of keys", { B: 2, L: 5, S: 7, H: 2, G: 2, D: 9 }],
    ["more queries than a workgroup", { L: 70, S: 33, H: 2, G: 2 }],
    ["grouped heads, causal, a cache with room", { B: 2, L: 3, S: 11, H: 4, G: 2, causal: 1, capacity: 16 }],
    ["causal, more queries than keys: the first see nothing", { L: 9, S: 5, causal: 1 }],
    ["every key masked", { B: 2, mask: (s) => (s < 8 ? 0 : 1) }],
    ["mask with holes", { L: 6, S: 21, mask: (s) => s % 3 }],
    ["prefix keys under a causal mask", { B: 2, L: 6, S: 6, H: 2, G: 2, P: 5, causal: 1 }],
    ["prefix keys only", { L: 3, S: 0, P: 3 }],
    ["q, k and v packed in one memory", { B: 2, L: 13, S: 13, H: 3, G: 3, packed: true }],
    ["dropout, positions not aligned", { B: 2, L: 5, S: 7, H: 2, G: 2, P: 2, dropout: 0.3, sequence: 77 }],
    ["a stream that wraps around", { L: 4, S: 4, dropout: 0.5, sequence: 0xfffffffe }],
  ];
  for (const [name, { mask, packed, capacity, ...given }] of cases) {
    gpuTest(name, async (gpu) => {
      const s = { ...sizes, ...given };
      const { B, L, S, H, G, D, P } = s;
      const room = capacity ?? S;
      const width = packed ? (H + 2 * G) * D : 0;
      const p = {
        ...s,
        scale: 1 / Math.sqrt(D),
        hasMask: mask ? 1 : 0,
        hasPrefix: P > 0 ? 1 : 0,
        qPitch: width || H * D,
        kvPitch: width || G * D,
        qOffset: 0,
        kOffset: packed ? H * D : 0,
        vOffset: packed ? (H + G) * D : 0,
        kvCapacity: room,
      };
      const q = normal(B * L * p.qPitch, `${name} q`, 2);
      const arrays = {
        q,
        k: packed ? q : normal(B * room * G * D, `${name} k`, 2),
        v: packed ? q : normal(B * room * G * D, `${name} v`),
        mask: mask ? Int32Array.from({ length: B * S }, (_, i) => mask(i)) : null,
        prefixKeys: P ? normal(P * G * D, `${name} prefix keys`) : null,
        prefixValues: P ? normal(P * G * D, `${name} prefix values`) : null,
        random: Uint32Array.of(0x12345678, 0x9abcdef0, 5, 0),
        y: new Float32Array(B * L * H * D),
        lse: new Float32Array(B * H * L),
      };
      await checkPass(gpu, attention, arrays, p, 3e-6);
    });
  }
});

describe("the tiles of a hardware adapter", () => {
  const asHardware = (p: AnyPass): AnyPass => {
    const launches = p.webgpu?.launches.map((l: WgslLaunch<Params>) => ({
      ...l,
      tiles: (params: Readonly<Record<string, number>>, limits: GpuLimits) =>
        l.tiles?.(params, { ...limits, software: false }) ?? {},
    }));
    return pass({
      ...p,
      webgpu: { ...p.webgpu, dtypes: ["f32"], launches: launches ?? [] },
    });
  };

  gpuTest("matmul/forward", async (gpu) => {
    const p = {
      B: 2,
      M: 70,
      N: 90,
      K: 37,
      transposeA: 0,
      transposeB: 1,
      batchedA: 1,
      batchedB: 0,
      activation: 4,
    };
    const arrays = {
      a: normal(2 * 70 * 37, "a"),
      b: normal(90 * 37, "b", 0.2),
      bias: normal(90, "bias"),
      y: new Float32Array(2 * 70 * 90),
      preactivation: null,
    };
    const params = { ...p, accumulate: 0, hasBias: 1, hasPreactivation: 0 };
    await checkPass(gpu, asHardware(matmul), arrays, params, 5e-6);
  });

  gpuTest("attention/forward", async (gpu) => {
    const [B, L, S, H, G, D, P] = [2, 9, 11, 2, 1, 2, 3];
    const sizes = {
      B,
      L,
      S,
      H,
      G,
      D,
      P,
      qPitch: H * D,
      kvPitch: G * D,
      qOffset: 0,
      kOffset: 0,
      vOffset: 0,
      kvCapacity: S,
    };
    const arrays = {
      q: normal(B * L * H * D, "q"),
      k: normal(B * S * G * D, "k"),
      v: normal(B * S * G * D, "v"),
      mask: Int32Array.from({ length: B * S }, (_, i) => i % 4),
      prefixKeys: normal(P * G * D, "prefix keys"),
      prefixValues: normal(P * G * D, "prefix values"),
      random: Uint32Array.of(1, 2, 3, 0),
      y: new Float32Array(B * L * H * D),
      lse: new Float32Array(B * H * L),
    };
    const params = {
      ...sizes,
      causal: 1,
      scale: 0.5,
      dropout: 0.25,
      sequence: 9,
      hasMask: 1,
      hasPrefix: 1,
    };
    await checkPass(gpu, asHardware(attention), arrays, params, 3e-6);
  });

  const reductions: [name: string, O: number, L: number, I: number][] = [
    ["rows of one split, lanes left over", 3, 67, 1],
    ["rows of three splits", 2, 20_000, 1],
  ];
  for (const [name, O, L, I] of reductions) {
    for (const [f, code] of Object.entries(REDUCE)) {
      gpuTest(`reduce/forward, ${f}: ${name}`, async (gpu) => {
        const arrays = { x: normal(O * L * I, name), y: new Float32Array(O * I) };
        await checkPass(gpu, asHardware(reduce), arrays, { O, L, I, f: code, scale: 0.5 }, 1e-6);
      });
    }
  }

  const repeated = (count: number, size: number) => Int32Array.from({ length: count }, (_, k) => (k * k + 3) % size);

  gpuTest("copy/index-add, more keys than threads", async (gpu) => {
    const [O, V, K, I] = [2, 5000, 700, 3];
    const arrays = {
      x: normal(O * K * I, "x"),
      index: repeated(K, V),
      base: normal(O * V * I, "base"),
      y: new Float32Array(O * V * I),
      faults: new Uint32Array(4),
    };
    await checkPass(gpu, asHardware(indexAdd), arrays, { O, V, K, I, hasBase: 1, faultLabel: 0 }, 1e-6);
  });

  gpuTest("embedding/backward-weight, more rows than threads", async (gpu) => {
    const [T, V, C] = [700, 5000, 3];
    const arrays = { dy: normal(T * C, "dy"), ids: repeated(T, V), dweight: normal(V * C, "dweight") };
    await checkPass(gpu, asHardware(embeddingBackward), arrays, { T, V, C, paddingIndex: 3, accumulate: 1 }, 1e-6);
  });
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
