import { describe, expect, test } from "vitest";
import type { Binding } from "../../bindings/device.js";
import { backward, forward } from "../../kernels/attention/kernels.js";
import { storageTiles, workgroupTiles } from "../../kernels/attention/webgpu.js";
import { type AnyPass, type GpuLimits, pass } from "../../kernels/contract.js";
import { ADAPTERS } from "../support/devices.js";
import { generator } from "../support/random.js";
import { checkPass } from "../support/run-pass.js";
import { gpuTest } from "../support/webgpu.js";

const sizes = { B: 1, L: 8, S: 8, H: 1, G: 1, D: 16, P: 0, causal: 0, dropout: 0, sequence: 0 };

type Case = Partial<typeof sizes> & {
  mask?: (s: number) => number;
  packed?: true;
  /** Of a cache: its gradients are not defined. */
  capacity?: number;
};

const cases: [string, Case][] = [
  ["one key", { L: 1, S: 1, D: 1 }],
  ["odd head width, tail of keys", { B: 2, L: 5, S: 7, H: 2, G: 2, D: 9 }],
  ["more queries and keys than a tile", { L: 70, S: 67, H: 2, G: 2 }],
  ["wider than a tile", { L: 33, S: 9, D: 35 }],
  ["grouped heads, causal, a cache with room", { B: 2, L: 3, S: 11, H: 4, G: 2, causal: 1, capacity: 16 }],
  ["grouped heads, causal", { B: 2, L: 36, S: 38, H: 4, G: 2, causal: 1 }],
  ["causal, more queries than keys: the first see nothing", { L: 9, S: 5, causal: 1 }],
  ["every key masked", { B: 2, mask: (s) => (s < 8 ? 0 : 1) }],
  ["mask with holes", { L: 6, S: 21, mask: (s) => s % 3 }],
  ["prefix keys under a causal mask", { B: 2, L: 6, S: 6, H: 2, G: 2, P: 5, causal: 1 }],
  ["prefix keys only", { L: 3, S: 0, P: 3 }],
  ["a prefix longer than a tile, dropout", { B: 2, L: 3, S: 40, P: 34, dropout: 0.1 }],
  ["q, k and v packed in one memory", { B: 2, L: 13, S: 13, H: 3, G: 3, packed: true }],
  ["dropout, positions not aligned", { B: 2, L: 5, S: 7, H: 2, G: 2, P: 2, dropout: 0.3, sequence: 77 }],
  ["a stream that wraps around", { L: 4, S: 4, dropout: 0.5, sequence: 0xfffffffe }],
  ["one query, keys in two splits", { B: 2, L: 1, S: 65, H: 2, G: 2 }],
  [
    "few rows: groups, causal, mask, prefix, dropout, room",
    { B: 2, L: 3, S: 150, H: 4, G: 2, D: 9, P: 3, causal: 1, dropout: 0.2, mask: (s) => s % 5, capacity: 160 },
  ],
];

const normal = (length: number, seed: string, scale = 1) => {
  const random = generator(seed);
  return Float32Array.from({ length }, () => scale * random.normal());
};

function problem(name: string, { mask, packed, capacity, ...given }: Case) {
  const s = { ...sizes, ...given };
  const { B, L, S, H, G, D, P } = s;
  const room = capacity ?? S;
  const width = packed ? (H + 2 * G) * D : 0;
  const params = {
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
  const q = normal(B * L * params.qPitch, `${name} q`, 2);
  const inputs = {
    q,
    k: packed ? q : normal(B * room * G * D, `${name} k`, 2),
    v: packed ? q : normal(B * room * G * D, `${name} v`),
    mask: mask ? Int32Array.from({ length: B * room }, (_, i) => mask(i)) : null,
    prefixKeys: P ? normal(P * G * D, `${name} prefix keys`) : null,
    prefixValues: P ? normal(P * G * D, `${name} prefix values`) : null,
    random: Uint32Array.of(0x12345678, 0x9abcdef0, 5, 0),
    y: new Float32Array(B * L * H * D),
    lse: new Float32Array(B * H * L),
  };
  const dq = new Float32Array(q.length);
  const gradients = {
    dy: normal(B * L * H * D, `${name} dy`),
    dq,
    dk: packed ? dq : new Float32Array(B * room * G * D),
    dv: packed ? dq : new Float32Array(B * room * G * D),
    dprefixKeys: P ? new Float32Array(P * G * D) : null,
    dprefixValues: P ? new Float32Array(P * G * D) : null,
  };
  return { params, inputs, gradients };
}

for (const [adapter, limits] of Object.entries(ADAPTERS)) {
  describe(`attention, as on a ${adapter} adapter`, () => {
    for (const [name, c] of cases) {
      const { params, inputs, gradients } = problem(name, c);

      gpuTest(`forward: ${name}`, (gpu) => checkPass(gpu, forward, inputs, params, 3e-6), limits);

      if (c.capacity) continue;
      const fromReference = (gpu: Binding) => {
        forward.reference(inputs, params);
        // Gradients are sums over up to 70 queries of weights that carry the rounding of scores.
        return checkPass(gpu, backward, { ...inputs, ...gradients }, params, 5e-6);
      };
      gpuTest(`backward: ${name}`, fromReference, limits);
    }
  });
}

/** The pass as on an adapter that has no room for all weights. */
function withoutRoom(own: typeof backward): typeof backward {
  const { webgpu } = own;
  if (!webgpu) throw new Error("no launches");
  const poor = (limits: GpuLimits) => ({ ...limits, maxBinding: 0 });
  return pass({
    ...own,
    webgpu: {
      ...webgpu,
      scratchBytes: (p, limits) => webgpu.scratchBytes?.(p, poor(limits)) ?? 0,
      launches: webgpu.launches.map((launch) => ({
        ...launch,
        tiles: (p, limits, dtype) => (launch.tiles ? launch.tiles(p, poor(limits), dtype) : {}),
      })),
    },
  });
}

describe("attention of wide heads, as on a software adapter without room for weights", () => {
  const backwardPoor = withoutRoom(backward);
  for (const [name, given] of cases) {
    const c = { ...given, D: Math.max(given.D ?? 0, 18) };
    const { params, inputs, gradients } = problem(name, c);

    gpuTest(`forward: ${name}`, (gpu) => checkPass(gpu, forward, inputs, params, 3e-6), ADAPTERS.software);

    if (c.capacity) continue;
    const fromReference = (gpu: Binding) => {
      forward.reference(inputs, params);
      return checkPass(gpu, backwardPoor, { ...inputs, ...gradients }, params, 5e-6);
    };
    gpuTest(`backward: ${name}`, fromReference, ADAPTERS.software);
  }
});

describe("the tiles of attention", () => {
  const limits = {
    subgroups: false,
    subgroupSize: 0,
    f16: false,
    matrices: false,
    maxBinding: 2 ** 27,
    maxWorkgroupInvocations: 256,
  };
  const gpu = { ...limits, software: false, maxWorkgroupStorage: 16384 };
  const cpu = { ...limits, subgroups: true, subgroupSize: 4, software: true, maxWorkgroupStorage: 32768 };
  const widths = (D: number, P = 0) => problem("", { D, P }).params;

  test("weights are kept on software adapters only, up to 32 MiB", () => {
    const kept = (given: Case, limits: GpuLimits) => {
      const { params } = problem("", { ...given, packed: true });
      return (backward.webgpu?.scratchBytes?.(params, limits) ?? 0) - 4 * params.B * params.H * params.L;
    };
    expect(kept({ L: 64, S: 64 }, cpu)).toBe(2 * 4 * 64 * 64);
    expect(kept({ L: 64, S: 64 }, gpu)).toBe(0);
    expect(kept({ L: 2048, S: 2048 }, cpu)).toBe(2 ** 25);
    expect(kept({ L: 2048, S: 2049 }, cpu)).toBe(0);
  });

  test("an adapter gets one variant", () => {
    expect(storageTiles(widths(64), gpu)).toBeNull();
    expect(workgroupTiles(widths(64), cpu)).toBeNull();
    // Loads cannot be shared there.
    const alone = { ...cpu, subgroups: false, subgroupSize: 0 };
    expect(storageTiles(widths(64), alone)).toBeNull();
    expect(workgroupTiles(widths(64), alone)).not.toBeNull();
  });

  test("head widths share a pipeline in steps of 64", () => {
    for (const D of [1, 7, 64]) {
      expect(storageTiles(widths(D), cpu)).toEqual(storageTiles(widths(64), cpu));
      expect(workgroupTiles(widths(D), gpu)).toEqual(workgroupTiles(widths(64), gpu));
    }
    expect(storageTiles(widths(65, 3), cpu)).toMatchObject({ HEAD: 128, PREFIX: 1 });
    expect(workgroupTiles(widths(256), gpu)).toMatchObject({ HEAD: 256 });
  });

  test("workgroup memory stays within the limit", () => {
    for (const maxWorkgroupStorage of [16384, 32768, 65536]) {
      const tiles = workgroupTiles(widths(256), { ...gpu, maxWorkgroupStorage });
      // As the header of forward-tiled.wgsl counts it.
      expect(288 * (tiles?.CHUNK ?? 0) + 9728).toBeLessThanOrEqual(maxWorkgroupStorage);
    }
  });
});

describe("the launches of attention", () => {
  for (const pass of [forward, backward] as AnyPass[]) {
    const launches = (pass.webgpu?.launches ?? []).map(({ buffers }) => buffers ?? pass.bufferNames);

    test(`${pass.label}: none binds more than the eight storage buffers that every adapter has, scratch among them`, () => {
      for (const buffers of launches) expect(buffers.filter((name) => name !== "random").length + 1).toBeLessThan(9);
    });

    test(`${pass.label}: none writes two buffers of values, which may be one packed buffer`, () => {
      const written = (name: string) => pass.buffers[name].use === "out" && pass.buffers[name].dtype === "value";
      for (const buffers of launches) expect(buffers.filter(written).length).toBeLessThan(2);
    });
  }
});
