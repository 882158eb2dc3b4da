import { afterAll, describe, expect, test } from "vitest";
import { generator } from "../../engine/check/random.js";
import { type Device, noGrad, openDevice, quantize, quantizedMatmul, scope, sum, tensor } from "../../engine/index.js";
import { tryOpen } from "../support/devices.js";
import { simulated } from "../support/simulated.js";

/** What the case table cannot say: it asks every input for a gradient. */
const exact = await openDevice("reference");
const cpu = await tryOpen("cpu", { debug: true, threads: 2 });
const webgpu = await tryOpen("webgpu", { debug: true });
const cuda = await tryOpen("cuda", { debug: true });
afterAll(() => {
  for (const d of [exact, cpu.device, webgpu.device, cuda.device]) d?.close();
});

const random = generator("quantized-matmul");
const normals = (n: number) => Float32Array.from({ length: n }, () => random.normal());
const format = { bits: 4, group: 32 } as const;

describe.each([
  ["cpu", cpu.device],
  ["webgpu", webgpu.device],
  ["cuda", cuda.device],
] as const)("%s", (_, device) => {
  const [E, N, K, T] = [4, 22, 96, 6];
  const x = normals(T * K);
  const weight = normals(E * N * K);
  const bias = normals(E * N);
  // Experts have 3, 0, 6 and 1 of twelve rows, two for each token; the last token's were dropped.
  const order = [4, 7, 0, 2, 9, 1, 6, 3, 8, 5, -1, -1];
  const record = [0, 3, 3, 9, 10, 3, 0, 6, 1, ...order, ...new Array(24).fill(0)];

  test.skipIf(!device)("experts with biases, rows gathered from tokens, dropped rows zero", async () => {
    const run = async (d: Device) => {
      const y = noGrad(() =>
        scope(() =>
          quantizedMatmul(
            tensor(x, { device: d, shape: [T, K] }),
            quantize(tensor(weight, { device: d, shape: [E, N, K] }), format),
            {
              ...format,
              bias: tensor(bias, { device: d, shape: [E, N] }),
              lists: tensor(Int32Array.from(record), { device: d }),
              gather: 2,
              activation: "relu",
            },
          ),
        ),
      );
      expect(y.shape).toEqual([12, N]);
      const values = await y.data();
      y.dispose();
      return values;
    };
    const [found, expected] = [await run(device as Device), await run(exact)];
    for (const [i, v] of expected.entries()) expect(Math.abs(found[i] - v), `element ${i}`).toBeLessThan(1e-4);
    expect([...found.subarray(10 * N)]).toEqual(new Array(2 * N).fill(0));
    expect(expected.some((v) => v > 0)).toBe(true);
  });

  // Experts of nonsense share rows: blocks write over each other, which the simulator takes for the race that it is.
  test.skipIf(!device || simulated)("lists of nonsense stay within the buffers, forward and backward", async () => {
    const on = device as Device;
    const stack = quantize(tensor(weight, { device: on, shape: [E, N, K] }), format);
    const offsets = [-7, 2 ** 30, -1, 3, 2 ** 31 - 1];
    const nonsense = [
      ...offsets,
      0,
      0,
      0,
      0,
      ...order.map((_, r) => (r % 2 ? 2 ** 31 - 1 : -(2 ** 31))),
      ...order,
      ...order,
    ];
    const lists = tensor(Int32Array.from(nonsense), { device: on });
    const gathered = noGrad(() =>
      quantizedMatmul(tensor(x, { device: on, shape: [T, K] }), stack, { ...format, lists, gather: 2 }),
    );
    expect((await gathered.data()).length).toBe(2 * T * N);
    for (const given of [lists, tensor(Int32Array.from(offsets), { device: on })]) {
      const rows = tensor(normals(2 * T * K), { device: on, shape: [2 * T, K], requiresGrad: true });
      scope(() => sum(quantizedMatmul(rows, stack, { ...format, lists: given })).backward());
      expect((await rows.grad?.data())?.length).toBe(2 * T * K);
    }
    await on.finish();
  });

  test.skipIf(!device)("what is quantised comes back within half a step", async () => {
    for (const bits of [4, 8] as const) {
      const y = scope(() => {
        const eye = new Float32Array(K * K);
        for (let k = 0; k < K; k++) eye[k * K + k] = 1;
        const words = quantize(tensor(weight.subarray(0, N * K), { device: device as Device, shape: [N, K] }), {
          bits,
          group: 32,
        });
        return quantizedMatmul(tensor(eye, { device: device as Device, shape: [K, K] }), words, { bits, group: 32 });
      });
      const values = await y.data();
      y.dispose();
      for (let n = 0; n < N; n++)
        for (let g = 0; g < K; g += 32) {
          const row = weight.subarray(n * K + g, n * K + g + 32);
          const largest = Math.max(...row.map(Math.abs));
          // Half a step of 4 bits, or a whole one at the end that has no 8; the scale is a bf16.
          const step = largest / (bits === 4 ? 8 : 127);
          row.forEach((w, i) => {
            const limit =
              step * (bits === 4 && Math.abs(w) > 7.5 * step ? 1.01 : 0.55) + largest * (bits === 8 ? 0.004 : 0);
            expect(Math.abs(values[(g + i) * N + n] - w)).toBeLessThan(limit);
          });
        }
    }
  });
});

describe("bad input", () => {
  const w = tensor(normals(8 * 64), { device: exact, shape: [8, 64] });
  const words = quantize(w, format);
  const x = tensor(normals(2 * 64), { device: exact, shape: [2, 64] });

  test("says what is wrong", () => {
    expect(() => quantize(tensor(normals(80), { device: exact, shape: [2, 40] }), format)).toThrow(
      "quantize: weight [2, 40] has rows of 40, which is no multiple of the group 32. Take another group, or leave this weight as it is.",
    );
    expect(() => quantize(w, { bits: 3 as 4, group: 32 })).toThrow("quantize: bits is 3. Known: 4, 8.");
    expect(() => quantize(w, { bits: 4, group: 16 as 32 })).toThrow("quantize: group is 16. Known: 32, 64.");
    expect(() => quantizedMatmul(x, words, { bits: 8, group: 32 })).toThrow(
      "quantizedMatmul: weight [8, 9] has rows of 9 words; 64 elements of 8 bits in groups of 32 are 17.",
    );
    expect(() => quantizedMatmul(x, w, format)).toThrow(
      "quantizedMatmul: weight [8, 64] is f32; quantize() makes u32.",
    );
    expect(() => quantizedMatmul(x, words, { ...format, gather: 2 })).toThrow("quantizedMatmul: gather needs lists.");
  });

  const experts = (E: number) => quantize(tensor(normals(E * 8 * 64), { device: exact, shape: [E, 8, 64] }), format);
  const integers = (length: number) => tensor(new Int32Array(length), { device: exact });

  test("lists of another routing, and a gather that is no number of experts", () => {
    const stack = experts(3);
    // Two tokens with two choices each: 2 E + 1 + 3 R = 19.
    for (const length of [4, 7, 13, 18, 22])
      expect(() => quantizedMatmul(x, stack, { ...format, lists: integers(length), gather: 2 })).toThrow(
        `quantizedMatmul: lists [${length}] is no routing of 4 choices to the 3 experts of weight [3, 8, 9]: those have 19 elements.`,
      );
    for (const length of [3, 5, 12, 19])
      expect(() => quantizedMatmul(x, stack, { ...format, lists: integers(length) })).toThrow(
        `quantizedMatmul: lists [${length}] is no routing of 2 choices to the 3 experts of weight [3, 8, 9]: those have 13 elements, offsets alone 4.`,
      );
    for (const gather of [0, -1, 1.5, Number.NaN])
      expect(() => quantizedMatmul(x, stack, { ...format, lists: integers(19), gather })).toThrow(
        `quantizedMatmul: gather ${gather} must be a whole number from 1 on, the topK of topKRouting; or null, where x has a row for each choice.`,
      );
    const cube = tensor(normals(2 * 64), { device: exact, shape: [1, 2, 64] });
    expect(() => quantizedMatmul(cube, stack, { ...format, lists: integers(13) })).toThrow(
      "quantizedMatmul: x [1, 2, 64] must be [rows, K] where lists tell experts.",
    );
    expect(() => quantizedMatmul(x, words, { ...format, lists: integers(13) })).toThrow(
      "quantizedMatmul: weight [8, 9]: [E, N, W], with lists.",
    );
  });

  test("a gathered row gives x no gradient, experts give their biases none", () => {
    const tracked = tensor(normals(64), { device: exact, shape: [1, 64], requiresGrad: true });
    const lists = tensor(Int32Array.from([0, 1, 1, 0, 0, 0]), { device: exact });
    const y = quantizedMatmul(tracked, experts(1), { ...format, lists, gather: 1 });
    expect(() => sum(y).backward()).toThrow(
      "quantizedMatmul: rows that were gathered give x no gradient. Put them in the grouped order first (dispatchTokens).",
    );
    const row = tensor(normals(64), { device: exact, shape: [1, 64] });
    const bias = tensor(normals(8), { device: exact, shape: [1, 8], requiresGrad: true });
    const biased = quantizedMatmul(row, experts(1), { ...format, lists, bias });
    expect(() => sum(biased).backward()).toThrow(
      "quantizedMatmul: biases of experts have no gradient here; bias.requiresGrad = false.",
    );
  });
});
