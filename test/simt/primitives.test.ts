import { describe, expect, test } from "vitest";
import { decodeBf16, decodeF16, encodeBf16, encodeF16 } from "../../bindings/half.js";
import { generator } from "../support/random.js";
import { launch } from "./launch.js";

/** Every primitive against its definition in the PTX manual, which stands here once more, in the manual's own terms. */
const LANES = Array.from({ length: 32 }, (_, lane) => lane);
const list = (type: string, values: ArrayLike<number | bigint>) => `${type}=${Array.from(values).join(",")}`;

async function memories(module: string, kernel: string, args: readonly string[]): Promise<number[][]> {
  const { memories, report } = await launch(`primitives/${module}`, kernel, args);
  expect(report).toBe("");
  return memories as number[][];
}

describe("warp", () => {
  const value = (lane: number) => 100 + ((lane * 7) % 32);

  test("shuffles", async () => {
    const [, y] = await memories("warp", "shuffles", [list("u32", LANES.map(value)), "u32:160"]);
    const segment = (lane: number) => lane - (lane % 8);
    const from = [
      (lane: number) => segment(lane) + ((lane * 3) % 8),
      (lane: number) => (lane - 3 >= segment(lane) ? lane - 3 : lane),
      (lane: number) => (lane + 3 < segment(lane) + 8 ? lane + 3 : lane),
      // Of earlier segments, yes; of later ones, no.
      (lane: number) => ((lane ^ 12) < segment(lane) + 8 ? lane ^ 12 : lane),
      (lane: number) => 31 - lane,
    ];
    expect(y).toEqual(from.flatMap((source) => LANES.map((lane) => value(source(lane)))));
  });

  test("a shuffle of 8 bytes", async () => {
    const [, y] = await memories("warp", "wide_shuffle", [
      list(
        "u64",
        LANES.map((lane) => lane * 2 ** 40 + 1),
      ),
      "u64:32",
    ]);
    expect(y).toEqual(LANES.map((lane) => (lane ^ 16) * 2 ** 40 + 1));
  });

  test("votes, matches and reductions", async () => {
    const x = LANES.map(value);
    const [, y] = await memories("warp", "votes", [list("u32", x), "u32:224"]);
    const bits = (holds: (v: number) => boolean) => x.reduce((mask, v, lane) => mask + (holds(v) ? 2 ** lane : 0), 0);
    const all = (v: number) => LANES.map(() => v);
    expect(y).toEqual([
      ...all(bits((v) => v % 3 === 1)),
      ...all(0),
      ...all(0),
      ...x.map((own) => bits((v) => v % 4 === own % 4)),
      ...all(x.reduce((a, b) => a + b)),
      ...all(Math.min(...x)),
      ...all(Math.max(...x)),
    ]);
  });

  test("each half of a warp for itself", async () => {
    const [, y] = await memories("warp", "halves", [list("u32", LANES), "u32:32"]);
    expect(y).toEqual(LANES.map((lane) => (lane < 16 ? 120 : 376)));
  });

  // Matrix fragments for mma.m16n8k16 with floating point type: rows and columns of a_i, b_i, c_i by groupID and
  // threadID_in_group.
  const halves = { encode: { bf16: encodeBf16, f16: encodeF16 }, decode: { bf16: decodeBf16, f16: decodeF16 } };
  test.each(["bf16", "f16"] as const)("mma.m16n8k16 %s", async (type) => {
    const random = generator(type);
    const a = halves.encode[type](Float32Array.from({ length: 32 * 8 }, random.normal)) as Uint16Array;
    const b = halves.encode[type](Float32Array.from({ length: 32 * 4 }, random.normal)) as Uint16Array;
    const c = Float32Array.from({ length: 32 * 4 }, random.normal);
    const [A, B] = [a, b].map((x) => halves.decode[type](x));
    const matrix = new Map<string, number>();
    for (const lane of LANES) {
      const [group, inGroup] = [lane >> 2, lane % 4];
      for (let i = 0; i < 8; i++) {
        const row = i < 2 || (i >= 4 && i < 6) ? group : group + 8;
        const column = inGroup * 2 + (i & 1) + (i >= 4 ? 8 : 0);
        matrix.set(`a ${row} ${column}`, A[8 * lane + i]);
      }
      for (let i = 0; i < 4; i++) matrix.set(`b ${inGroup * 2 + (i & 1) + (i >= 2 ? 8 : 0)} ${group}`, B[4 * lane + i]);
    }
    expect(matrix.size).toBe(16 * 16 + 16 * 8);
    const words = (x: Uint16Array) => new Uint32Array(x.buffer, x.byteOffset, x.length / 2);
    const [, , d] = await memories("warp", `mma_${type}`, [
      list("u32", words(a)),
      list("u32", words(b)),
      list("f32", c),
    ]);
    expectProducts(d, c, matrix, 16);
  });

  test("mma.m16n8k8 tf32 takes 10 bits of mantissa", async () => {
    const random = generator("tf32");
    const [a, b, c] = [4, 2, 4].map((n) => Float32Array.from({ length: 32 * n }, random.normal));
    const bits = (x: Float32Array) => new Uint32Array(x.buffer);
    const cut = (v: number) => new Float32Array(Uint32Array.of(bits(Float32Array.of(v))[0] & 0xffffe000).buffer)[0];
    const matrix = new Map<string, number>();
    for (const lane of LANES) {
      const [group, inGroup] = [lane >> 2, lane % 4];
      for (let i = 0; i < 4; i++)
        matrix.set(`a ${i === 0 || i === 2 ? group : group + 8} ${inGroup + (i >= 2 ? 4 : 0)}`, cut(a[4 * lane + i]));
      for (let i = 0; i < 2; i++) matrix.set(`b ${inGroup + 4 * i} ${group}`, cut(b[2 * lane + i]));
    }
    const [, , d] = await memories("warp", "mma_tf32", [list("u32", bits(a)), list("u32", bits(b)), list("f32", c)]);
    expectProducts(d, c, matrix, 8);
  });

  function expectProducts(d: number[], c: Float32Array, matrix: Map<string, number>, depth: number) {
    for (const lane of LANES)
      for (let i = 0; i < 4; i++) {
        const row = (lane >> 2) + (i >= 2 ? 8 : 0);
        const column = (lane % 4) * 2 + (i & 1);
        let sum = c[4 * lane + i];
        for (let k = 0; k < depth; k++)
          sum += Number(matrix.get(`a ${row} ${k}`)) * Number(matrix.get(`b ${k} ${column}`));
        expect(d[4 * lane + i]).toBe(Math.fround(sum));
      }
  }

  test("cvt.rna.tf32: to nearest, ties away from zero", async () => {
    const half = 2 ** -11;
    const x = [1, 1 + half, -1 - half, 1 + half * 0.99, 1 + 3 * half, 3.4e38, 0];
    const [, y] = await memories("warp", "round_to_tf32", ["block=7", list("f32", x), "u32:7"]);
    const rounded = [...new Float32Array(Uint32Array.from(y).buffer)];
    expect(rounded).toEqual([1, 1 + 2 * half, -1 - 2 * half, 1, 1 + 4 * half, expect.closeTo(3.4e38, -36), 0]);
  });

  test.each([
    ["ldmatrix_x1", 1, false],
    ["ldmatrix_x2", 2, false],
    ["ldmatrix_x4", 4, false],
    ["ldmatrix_x1_trans", 1, true],
    ["ldmatrix_x2_trans", 2, true],
    ["ldmatrix_x4_trans", 4, true],
  ] as const)("%s", async (name, count, transposed) => {
    const x = Uint16Array.from({ length: 256 }, (_, i) => 3 * i + 1);
    const [, y] = await memories("warp", `${name}_all`, [list("u16", x), `u32:${32 * count}`]);
    // Lane l holds elements 2 (l mod 4) and the next of row l / 4 of matrix i; transposed, of column l / 4.
    const element = (i: number, row: number, column: number) =>
      transposed ? x[64 * i + 8 * column + row] : x[64 * i + 8 * row + column];
    const expected = LANES.flatMap((lane) =>
      Array.from({ length: count }, (_, i) => {
        const [row, column] = [lane >> 2, (lane % 4) * 2];
        return element(i, row, column) + 65536 * element(i, row, column + 1);
      }),
    );
    expect(y).toEqual(expected);
  });

  test("stmatrix puts back what ldmatrix loads", async () => {
    const x = Array.from({ length: 256 }, (_, i) => 5 * i + 2);
    const [, y] = await memories("warp", "there_and_back", [list("u16", x), "u16:256"]);
    expect(y).toEqual(x);
  });
});

describe("block", () => {
  test.each([
    [16, 16, 16],
    [3, 9, 6],
    [0, 0, 0],
  ])("asynchronous copies, of which %i, %i, %i bytes are there: zeros follow", async (...valid) => {
    const x = Array.from({ length: 16 }, (_, i) => 200 + i);
    const [, y] = await memories("block", "copies", ["block=32", list("u8", x), "u8:48", list("u32", valid)]);
    expect(y).toEqual(valid.flatMap((n) => x.map((v, i) => (i < n ? v : 0))));
  });

  test("atomics", async () => {
    const counts = [0, 0, 1000, 0, 0xffffffff, 0, 0, 90, 200];
    const [count, old, sign] = await memories("block", "atomics", [
      "grid=2",
      "block=64",
      list("u32", counts),
      "u32:128",
      "i32=0,-500",
    ]);
    const ids = Array.from({ length: 128 }, (_, i) => i);
    expect(old.toSorted((a, b) => a - b)).toEqual(ids);
    const [sum, most, least, or, and, xor, first, wrapped, rest] = count;
    expect([sum, most, least, or, and, xor]).toEqual([
      128,
      127,
      0,
      0xffffffff,
      0xffffff80,
      ids.reduce((a, b) => a ^ b),
    ]);
    expect(first).toBeGreaterThan(0);
    expect([wrapped, rest]).toEqual([(90 + 128) % 100, 200 - 128]);
    expect(sign).toEqual([-127, 0]);
  });

  test("places in grids and blocks of three dimensions", async () => {
    const [y] = await memories("block", "places", ["grid=2,3,4", "block=5,3,2", "u32:1440"]);
    expect(y).toEqual(Array.from({ length: 720 }, (_, i) => [Math.floor(i / 30), i % 30]).flat());
  });

  test("dynamic shared memory", async () => {
    const [x, y] = await memories("block", "reversed", ["block=48", "shared=192", "f32:48=ramp", "f32:48"]);
    expect(y).toEqual(x.toReversed());
  });

  test("a sum over a block", async () => {
    const [, y] = await memories("block", "sums", ["block=128", "f32:128=ramp", "f32:128"]);
    expect(new Set(y)).toEqual(new Set([8128]));
  });

  test("parameters by value, of all sizes", async () => {
    const args = [
      "f32:5",
      "params=f32:1.5",
      "params=u8:7,u8:0,u8:0,u8:0,f32:2.5,u32:1,u32:2,u32:3,u32:4,u32:9",
      "params=u64:11",
    ];
    const [y] = await memories("block", "parameters", args);
    expect(y).toEqual([1.5, 7, 2.5, 9, 11]);
  });

  test("conversions to 16 bits round to nearest, ties to even", async () => {
    const x = Float32Array.from([1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 65519, 65504, 1e-8, -3.3, 1 + 2 ** -11]);
    const [, y] = await memories("block", "conversions", ["block=8", list("f32", x), "f32:16"]);
    expect(y).toEqual([...decodeBf16(encodeBf16(x)), ...decodeF16(encodeF16(x))]);
  });
});
